//go:build e2e

package release

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
)

// outage is longer than the health deadline of the applications below.
const (
	outage        = 20 * time.Second
	shortDeadline = 12 * time.Second
)

// testOutage kills etcd and the apiserver, and has everybody wait for them: a release whose
// hook runs, one whose pods are not ready yet, and one that has been healthy for long.
// Then both are back on the same data, and nothing has failed, run twice or been lost.
func testOutage(t *testing.T, p *plane) {
	ctx := t.Context()
	source := &commits{trees: map[string]map[string]string{}}
	r, stop := manage(t, p.server, p.scheme, source, &sets{content: map[string][]byte{}})
	defer func() { stop() }()
	d := &Deployer{Client: p.client}
	sequence := int64(2000)
	of := func(name, image string) string {
		return strings.NewReplacer("name: hello", "name: "+name, "app: hello", "app: "+name, "example.test/hello:v1", "example.test/"+image, "  progressDeadlineSeconds: 5\n", "").
			Replace(tree("v1", "", "")["deploy/app.yaml"])
	}
	push := func(name, commit, manifests string) v1alpha1.Desired {
		t.Helper()
		source.mu.Lock()
		source.trees[commit] = map[string]string{"deploy/app.yaml": manifests}
		source.mu.Unlock()
		sequence++
		desired := v1alpha1.Desired{Commit: commit, Sequence: sequence, Run: "run-" + commit}
		require.NoError(t, d.Deploy(ctx, "default", name, v1alpha1.Source{Repository: name}, desired))
		return desired
	}
	app := func(name string) *v1alpha1.Application {
		t.Helper()
		a := &v1alpha1.Application{}
		require.NoError(t, p.client.Get(ctx, keyOf(name), a))
		return a
	}
	releases := func(name string) (results []v1alpha1.Result) {
		t.Helper()
		list := &v1alpha1.ReleaseList{}
		require.NoError(t, p.client.List(ctx, list))
		for n := int64(1); n <= app(name).Status.Last; n++ {
			for _, rel := range list.Items {
				if rel.Name == Name(name, n) {
					results = append(results, rel.Status.Result)
				}
			}
		}
		return results
	}
	// run what the kubelet has left alone.
	runPods := func(label, value string) {
		t.Helper()
		pods, err := p.kube.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: labels.Set{label: value}.String()})
		require.NoError(t, err)
		require.NotEmpty(t, pods.Items)
		for i := range pods.Items {
			run(ctx, p.kube, &pods.Items[i])
		}
	}
	jobUID := func() types.UID {
		j := &batchv1.Job{}
		if p.client.Get(ctx, keyOf("prepares"), j) != nil || j.Status.Active == 0 {
			return ""
		}
		return j.UID
	}

	for _, name := range []string{"calm", "hooked", "rolls"} {
		desired := push(name, name+"1", of(name, "hello:v1"))
		_, err := d.Wait(ctx, "default", name, desired, &strings.Builder{})
		require.NoError(t, err)
		a := app(name)
		a.Spec.HealthDeadline = &metav1.Duration{Duration: shortDeadline}
		require.NoError(t, p.client.Update(ctx, a))
	}
	live := &appsv1.Deployment{}
	require.NoError(t, p.client.Get(ctx, keyOf("calm"), live))
	calm := live.ObjectMeta

	push("hooked", "hooked2", of("hooked", "hello:v2")+jobOf("prepares", "migrate-slow-done", "argocd.argoproj.io/hook: PreSync"))
	push("rolls", "rolls2", of("rolls", "hello:v2-slow"))
	until(t, "a hook runs, and a rollout is under way", func() bool {
		return jobUID() != "" && app("rolls").Status.Current == 2 && app("rolls").Status.Health == "Progressing"
	})
	migrate := jobUID()

	p.kill()
	began := time.Now()
	for _, err := p.kube.Discovery().ServerVersion(); time.Since(began) < outage; _, err = p.kube.Discovery().ServerVersion() {
		require.ErrorContains(t, err, "connection refused")
		time.Sleep(time.Second) // the time in which everybody is refused
	}
	p.boot(t)
	t.Logf("the apiserver was away for %s", time.Since(began).Round(time.Second))

	// Long after the deadline by the clock, all that was under way still is.
	for _, name := range []string{"hooked", "rolls"} {
		_, err := r.Reconcile(ctx, requestOf(name)) // the first look, before its own back-off
		require.NoError(t, err)
	}
	require.Equal(t, []v1alpha1.Result{v1alpha1.ReleaseHealthy, v1alpha1.ReleaseProgressing}, releases("hooked"))
	require.Equal(t, []v1alpha1.Result{v1alpha1.ReleaseHealthy, v1alpha1.ReleaseProgressing}, releases("rolls"))
	require.Equal(t, migrate, jobUID())

	runPods("batch.kubernetes.io/job-name", "prepares")
	until(t, "the rollout has its pods", func() bool {
		pods, err := p.kube.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=rolls"})
		if err != nil {
			return false
		}
		for i := range pods.Items {
			if pods.Items[i].Status.Phase == corev1.PodPending && pods.Items[i].Spec.NodeName != "" {
				run(ctx, p.kube, &pods.Items[i])
			}
		}
		return app("rolls").Status.Health == "Healthy" && app("rolls").Status.Sync == "Synced"
	})
	until(t, "the hook has run, and what it waited for", func() bool {
		a := app("hooked")
		return a.Status.Current == 2 && a.Status.Health == "Healthy" && a.Status.Sync == "Synced"
	})
	for _, name := range []string{"hooked", "rolls"} {
		require.Equal(t, []v1alpha1.Result{v1alpha1.ReleaseHealthy, v1alpha1.ReleaseHealthy}, releases(name))
	}
	hooks := releaseOf(t, p, "hooked", 2).Status.Sync.Hooks
	require.Len(t, hooks, 1)
	require.Equal(t, string(migrate), hooks[0].UID)
	require.Equal(t, v1alpha1.HookSucceeded, hooks[0].State)
	events, err := p.kube.CoreV1().Events("default").List(ctx, metav1.ListOptions{FieldSelector: "reason=SuccessfulCreate,involvedObject.name=prepares"})
	require.NoError(t, err)
	require.Len(t, events.Items, 1, "the hook ran once")
	require.EqualValues(t, 1, max(events.Items[0].Count, 1))

	// What was healthy all along was not touched, has no new release, and takes a push.
	require.NoError(t, p.client.Get(ctx, keyOf("calm"), live))
	require.Equal(t, calm.Generation, live.Generation)
	require.Equal(t, []v1alpha1.Result{v1alpha1.ReleaseHealthy}, releases("calm"))
	_, err = d.Wait(ctx, "default", "calm", push("calm", "calm2", of("calm", "hello:v2")), &strings.Builder{})
	require.NoError(t, err)
}

func releaseOf(t *testing.T, p *plane, name string, n int64) *v1alpha1.Release {
	t.Helper()
	rel := &v1alpha1.Release{}
	require.NoError(t, p.client.Get(t.Context(), keyOf(Name(name, n)), rel))
	return rel
}
