//go:build e2e

package release

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/authz"
)

// line is the connection to an apiserver, which can be cut.
type line struct {
	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errors.New("the line is cut")
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		l.conns[c] = true
	}
	return c, err
}

func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for c := range l.conns {
		_ = c.Close()
	}
	clear(l.conns)
}

// testFaults is what goes wrong around an application on a real apiserver, and what only
// that decides: namespaces that are made, that hang, and configuration that changes.
func testFaults(t *testing.T, p *plane) {
	ctx := t.Context()
	s := &story{plane: p, t: t, source: &commits{trees: map[string]map[string]string{}}, sequence: 1000}
	l := &line{conns: map[net.Conn]bool{}}
	rc := rest.CopyConfig(p.server)
	rc.Dial = l.dial
	var stop func()
	s.r, stop = manage(t, rc, s.scheme, s.source, &sets{content: map[string][]byte{}})
	defer func() { stop() }()
	plain := tree("v1", "", "")["deploy/app.yaml"]
	live := &appsv1.Deployment{}
	_, err := s.deploy("f1", plain)
	require.NoError(t, err)

	// The apiserver is away, while somebody pushes and somebody else changes things.
	l.set(true)
	s.push("f2", strings.ReplaceAll(plain, "hello:v1", "hello:v2"))
	s.scale(5)
	away := time.NewTimer(4 * time.Second)
	<-away.C // the time in which nothing can happen
	require.EqualValues(t, 5, s.replicas())
	require.Equal(t, "f1", s.current())
	l.set(false)
	s.until("what was pushed meanwhile is healthy, and drift put right", func(a *v1alpha1.Application) bool {
		return a.Status.Sync == "Synced" && a.Status.Health == "Healthy" && s.current() == "f2" && s.replicas() == 2
	})

	// Pods restart when configuration changes that their set only names.
	require.NoError(t, s.client.Create(ctx, &corev1.ConfigMap{ObjectMeta: metaOf("outside"), Data: map[string]string{"a": "one"}}))
	s.spec(func(a *v1alpha1.ApplicationSpec) { a.SyncOptions = &v1alpha1.SyncOptions{RestartOnConfigChange: true} })
	reads := strings.Replace(plain, `ports: [{containerPort: 8080}]`, `ports: [{containerPort: 8080}], envFrom: [{configMapRef: {name: outside}}]`, 1)
	_, err = s.deploy("f3", reads)
	require.NoError(t, err)
	checksum := func() string {
		require.NoError(t, s.client.Get(ctx, keyOf("hello"), live))
		return live.Spec.Template.Annotations[v1alpha1.AnnotationConfigChecksum]
	}
	before := checksum()
	require.NotEmpty(t, before)
	require.NoError(t, s.client.Update(ctx, &corev1.ConfigMap{ObjectMeta: metaOf("outside"), Data: map[string]string{"a": "two"}}))
	until(t, "pods restart", func() bool { return checksum() != before })
	s.until("and are healthy", func(a *v1alpha1.Application) bool { return a.Status.Health == "Healthy" && a.Status.Sync == "Synced" })

	s.fresh(plain)

	// Hooks around the deletion, of real Jobs. The first fails and holds it up.
	_, err = s.deploy("f6", plain+jobOf("backup", "x-fails", "helm.sh/hook: pre-delete")+jobOf("dns", "x-done", "argocd.argoproj.io/hook: PostDelete"))
	require.NoError(t, err)
	require.NoError(t, s.r.Delete(ctx, "default", "hello", nil, "ada"))
	s.until("the deletion is held up", func(a *v1alpha1.Application) bool {
		return strings.Contains(a.Status.Message, "PreDelete hook Job/backup failed: Job failed: BackoffLimitExceeded")
	})
	require.NoError(t, s.client.Get(ctx, keyOf("hello"), live))
	app := s.app()
	app.Annotations = map[string]string{v1alpha1.AnnotationDeletionHooks: "skip"}
	require.NoError(t, s.client.Update(ctx, app))
	gone := func(key client.ObjectKey, o client.Object) func() bool {
		return func() bool { return s.client.Get(ctx, key, o) != nil }
	}
	until(t, "it goes without them", gone(keyOf("hello"), &v1alpha1.Application{}))

	_, err = s.deploy("f7", plain+jobOf("backup", "x-done", "helm.sh/hook: pre-delete")+jobOf("dns", "x-done", "argocd.argoproj.io/hook: PostDelete"))
	require.NoError(t, err)
	require.NoError(t, s.r.Delete(ctx, "default", "hello", nil, "ada"))
	until(t, "it goes with them", gone(keyOf("hello"), &v1alpha1.Application{}))
	for _, name := range []string{"backup", "dns"} {
		until(t, "the hook is gone: "+name, gone(keyOf(name), &batchv1.Job{}))
	}
	require.Error(t, s.client.Get(ctx, keyOf("hello"), live))
}

// current is the commit of the release that is applied.
func (s *story) current() string {
	s.t.Helper()
	rel := &v1alpha1.Release{}
	require.NoError(s.t, s.client.Get(s.t.Context(), keyOf(Name("hello", s.app().Status.Current)), rel))
	return rel.Spec.Desired.Commit
}

// fresh has an application make its namespace, and then not get rid of it.
func (s *story) fresh(plain string) {
	t, ctx := s.t, s.t.Context()
	app := &v1alpha1.Application{ObjectMeta: metaOf("spacious"), Spec: v1alpha1.ApplicationSpec{
		Source: v1alpha1.Source{Repository: "hello"}, Sync: "pipeline", Namespace: "fresh", SyncOptions: &v1alpha1.SyncOptions{CreateNamespace: true},
	}}
	require.NoError(t, s.client.Create(ctx, app))
	d := &Deployer{Client: s.client}
	s.source.mu.Lock()
	for _, commit := range []string{"fresh1", "fresh2"} {
		s.source.trees[commit] = map[string]string{"deploy/app.yaml": plain + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + commit + "}\n"}
	}
	s.source.mu.Unlock()
	deploy := func(commit string, sequence int64) error {
		desired := v1alpha1.Desired{Commit: commit, Sequence: sequence, Run: "run"}
		require.NoError(t, d.Deploy(ctx, "default", "spacious", app.Spec.Source, desired))
		var said strings.Builder
		_, err := d.Wait(ctx, "default", "spacious", desired, &said)
		t.Logf("%s: %v\n%s", commit, err, said.String())
		return err
	}
	require.ErrorContains(t, deploy("fresh1", 1), `fresh`)
	require.Error(t, s.client.Get(ctx, client.ObjectKey{Name: "fresh"}, &corev1.Namespace{}))

	account := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: v1alpha1.DeployerServiceAccount}}
	require.NoError(t, s.client.Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "spaces"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "create", "patch"}},
	}}))
	for name, role := range map[string]string{"spaces": "spaces", "everywhere": authz.RoleDeployer} {
		require.NoError(t, s.client.Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}, Subjects: account}))
	}
	require.NoError(t, deploy("fresh2", 2))
	at := client.ObjectKey{Namespace: "fresh", Name: "fresh2"}
	held := &corev1.ConfigMap{}
	require.NoError(t, s.client.Get(ctx, at, held))

	// Somebody deletes the namespace, and something in it does not go.
	held.Finalizers = []string{"example.com/never"}
	require.NoError(t, s.client.Update(ctx, held))
	require.NoError(t, s.client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "fresh"}}))
	until(t, "the application says what its namespace waits for", func() bool {
		require.NoError(t, s.client.Get(ctx, keyOf("spacious"), app))
		return strings.Contains(app.Status.Message, `namespace "fresh" is being deleted since`) && strings.Contains(app.Status.Message, "example.com/never")
	})
	_, err := s.deploy("f4", strings.ReplaceAll(plain, "hello:v1", "hello:v5"))
	require.NoError(t, err, "others go on")
	require.NoError(t, s.r.Delete(ctx, "default", "spacious", nil, "ada"))
	until(t, "an application does not wait for its namespace", func() bool { return s.client.Get(ctx, keyOf("spacious"), &v1alpha1.Application{}) != nil })
	require.NoError(t, s.client.Get(ctx, at, held))
	held.Finalizers = nil
	require.NoError(t, s.client.Update(ctx, held))
	until(t, "the namespace goes", func() bool { return s.client.Get(ctx, client.ObjectKey{Name: "fresh"}, &corev1.Namespace{}) != nil })
}
