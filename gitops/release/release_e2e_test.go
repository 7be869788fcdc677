//go:build e2e

package release

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/render"
	"slipway.dev/gitops/source"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "plane" {
		fmt.Fprintln(os.Stderr, "control plane:", servePlane(os.Args[2]))
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == "render" {
		if err := render.Main(os.Stdin, os.Stdout, nil); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// commits is a repository whose commits are trees of files.
type commits struct {
	mu    sync.Mutex
	trees map[string]map[string]string
}

func (c *commits) Checkout(_ context.Context, _, _, commit, dir, _ string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, text := range c.trees[commit] {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	return nil
}

func (c *commits) Commit(_ context.Context, _, _, commit string) (string, string, time.Time, error) {
	return "subject " + commit, "ada", time.Now().Add(-time.Minute), nil
}

const manifests = `apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  replicas: 2
  progressDeadlineSeconds: 5
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      containers:
      - {name: web, image: "example.test/hello:TAG", SECURITY ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec: {type: NodePort, selector: {app: hello}, ports: [{port: 80, targetPort: 8080}]}
`

func tree(tag, security, extra string) map[string]string {
	return map[string]string{"deploy/app.yaml": strings.NewReplacer("TAG", tag, "SECURITY", security).Replace(manifests) + extra}
}

// manage runs a manager with the reconciler until stop is called.
func manage(t *testing.T, rc *rest.Config, scheme *runtime.Scheme, commits Source, kept Sets) (r *Reconciler, stop func()) {
	t.Helper()
	no := true
	m, err := ctrl.NewManager(rc, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, Controller: config.Controller{SkipNameValidation: &no},
	})
	require.NoError(t, err)
	applier, err := apply.New(rc, m.GetAPIReader(), m.GetRESTMapper(), (&net.Dialer{}).DialContext)
	require.NoError(t, err)
	store := &Store{Sets: kept, Client: m.GetClient(), Reader: m.GetAPIReader()}
	r = &Reconciler{
		Client: m.GetClient(), Reader: m.GetAPIReader(), Pods: kubernetes.NewForConfigOrDie(rc), Source: commits,
		Renderer: &source.Renderer{Repository: commits, Child: &render.Runner{}, Reader: m.GetAPIReader(), Key: store.Key, WorkDir: t.TempDir()},
		Applier:  applier, Store: store,
		Events: m.GetEventRecorder("slipway"), Metrics: NewMetrics(prometheus.NewRegistry()),
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	require.NoError(t, r.SetupWithManager(m))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Start(ctx); err != nil {
			t.Errorf("manager: %v", err)
		}
	}()
	return r, func() { cancel(); <-done }
}

// testReleases tells the story of one application against a real
// apiserver, controller-manager and scheduler, with a kubelet that only pretends.
func testReleases(t *testing.T, p *plane) {
	ctx := t.Context()
	rc, c, kube, scheme := p.server, p.client, p.kube, p.scheme
	require.NoError(t, c.Create(ctx, secret("password", "planted-value")))

	source := &commits{trees: map[string]map[string]string{
		"c1":         tree("v1", "", "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\n"),
		"c2":         tree("v2", "", ""),
		"broken":     tree("v3-broken", "", ""),
		"privileged": tree("v4", "securityContext: {privileged: true},", ""),
		"invalid":    {"deploy/app.yaml": strings.ReplaceAll(strings.ReplaceAll(manifests, "SECURITY", ""), "replicas: 2", "replicas: many")},
		"elsewhere":  {"deploy/app.yaml": strings.ReplaceAll(strings.ReplaceAll(manifests, "SECURITY", ""), "{name: hello}\nspec:", "{name: hello, namespace: nowhere}\nspec:")},
	}}
	kept := &sets{content: map[string][]byte{}}
	r, stop := manage(t, rc, scheme, source, kept)
	d := &Deployer{Client: c}
	sequence := int64(0)
	deploy := func(commit string) (*v1alpha1.Release, string, error) {
		sequence++
		desired := v1alpha1.Desired{Commit: commit, Sequence: sequence, Run: "run"}
		require.NoError(t, d.Deploy(ctx, "default", "hello", v1alpha1.Source{Repository: "hello"}, desired))
		wait, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		var said strings.Builder
		began := time.Now()
		rel, err := d.Wait(wait, "default", "hello", desired, &said)
		t.Logf("%s took %s: %v\n%s", commit, time.Since(began).Round(time.Millisecond), err, said.String())
		return rel, said.String(), err
	}

	_, _, err := deploy("c1")
	require.NoError(t, err)
	live := &appsv1.Deployment{}
	require.NoError(t, c.Get(ctx, keyOf("hello"), live))
	require.Equal(t, "hello-1", live.Labels[v1alpha1.LabelRelease])
	require.Equal(t, apply.FieldManager, live.ManagedFields[0].Manager)
	app := &v1alpha1.Application{}
	require.NoError(t, c.Get(ctx, keyOf("hello"), app))
	require.Len(t, app.Status.Addresses, 1)
	require.Contains(t, app.Status.Addresses[0], "http://10.41.0.1:3")

	_, _, err = deploy("c2")
	require.NoError(t, err)
	require.Error(t, c.Get(ctx, keyOf("old"), &corev1.ConfigMap{}), "what left the set is pruned")

	rel, said, err := deploy("broken")
	require.ErrorContains(t, err, "Readiness probe failed")
	require.EqualValues(t, 2, rel.Status.RolledBackTo)
	require.NotContains(t, said, "planted-value")
	for _, refused := range []struct{ commit, want string }{
		{"privileged", "violate the pod security level"}, {"invalid", ".spec.replicas: expected numeric"}, {"elsewhere", `names namespace "nowhere", which does not exist`},
	} {
		require.NoError(t, c.Get(ctx, keyOf("hello"), live))
		before := live.Generation
		_, _, err = deploy(refused.commit)
		require.ErrorContains(t, err, refused.want)
		require.NoError(t, c.Get(ctx, keyOf("hello"), live))
		require.Equal(t, before, live.Generation, "nothing changes")
	}
	require.Equal(t, "example.test/hello:v2", live.Spec.Template.Spec.Containers[0].Image)

	// Stopped in the middle of a rollout; the next server finishes it.
	source.mu.Lock()
	source.trees["c5"] = tree("v5", "", "")
	source.mu.Unlock()
	sequence++
	desired := v1alpha1.Desired{Commit: "c5", Sequence: sequence}
	require.NoError(t, d.Deploy(ctx, "default", "hello", v1alpha1.Source{Repository: "hello"}, desired))
	until(t, "the rollout begins", func() bool {
		return c.Get(ctx, keyOf("hello"), live) == nil && strings.HasSuffix(live.Spec.Template.Spec.Containers[0].Image, "v5")
	})
	stop()
	r, stop = manage(t, rc, scheme, source, kept)
	defer func() { stop() }()
	_, err = d.Wait(ctx, "default", "hello", desired, os.Stderr)
	require.NoError(t, err)

	// A server that starts with everything healthy leaves every pod alone.
	require.NoError(t, c.Get(ctx, keyOf("hello"), live))
	generation := live.Generation
	stop()
	r, stop = manage(t, rc, scheme, source, kept)
	until(t, "the application is looked at", func() bool { _, err := r.Reconcile(ctx, requestOf("hello")); return err == nil })
	require.NoError(t, c.Get(ctx, keyOf("hello"), live))
	require.Equal(t, generation, live.Generation)

	require.NoError(t, r.Rollback(ctx, "default", "hello", 1, "ada"))
	until(t, "release 1 is held", func() bool {
		return c.Get(ctx, keyOf("hello"), app) == nil && app.Status.Sync == "Pinned" && app.Status.Health == "Healthy"
	})
	require.NoError(t, c.Get(ctx, keyOf("hello"), live))
	require.Equal(t, "example.test/hello:v1", live.Spec.Template.Spec.Containers[0].Image)
	text, err := r.Diff(ctx, "default", "hello")
	require.NoError(t, err)
	require.Contains(t, text, "+      - image: example.test/hello:v5")
	require.NoError(t, r.Unpin(ctx, "default", "hello", "ada"))
	until(t, "the desired value is back", func() bool {
		return c.Get(ctx, keyOf("hello"), app) == nil && app.Status.Sync == "Synced" && app.Status.Current == app.Status.Last
	})
	events, err := kube.CoreV1().Events("default").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Application"})
	require.NoError(t, err)
	reasons := ""
	for _, e := range events.Items {
		reasons += e.Reason + " "
		require.NotContains(t, e.Message, "planted-value")
	}
	for _, want := range []string{"ReleaseStarted", "ReleaseHealthy", "ReleaseFailed", "RolledBack", "Pinned", "Unpinned"} {
		require.Contains(t, reasons, want)
	}
	require.NoError(t, r.Delete(ctx, "default", "hello", nil, "ada"))
	until(t, "the application is gone, and what it applied", func() bool {
		return c.Get(ctx, keyOf("hello"), &v1alpha1.Application{}) != nil && c.Get(ctx, keyOf("hello"), live) != nil
	})
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("not in a minute: %s", what)
		case <-tick.C:
		}
	}
}
