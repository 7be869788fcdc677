//go:build e2e

package release

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/authz"
)

const job = `---
apiVersion: batch/v1
kind: Job
metadata: {name: NAME, annotations: {NOTES}}
spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: m, image: "example.test/IMAGE"}]}}}
`

func jobOf(name, image, notes string) string {
	return strings.NewReplacer("NAME", name, "IMAGE", image, "NOTES", notes).Replace(job)
}

const thing = `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}, status: {type: object, properties: {phase: {type: string}}}}}}
    subresources: {status: {}}
---
apiVersion: example.com/v1
kind: Thing
metadata: {name: t}
spec: {size: 1}
`

// story is one application on a real control plane.
type story struct {
	*plane
	t        *testing.T
	r        *Reconciler
	source   *commits
	sequence int64
}

func (s *story) push(commit, manifests string) v1alpha1.Desired {
	s.t.Helper()
	s.source.mu.Lock()
	s.source.trees[commit] = map[string]string{"deploy/app.yaml": manifests}
	s.source.mu.Unlock()
	s.sequence++
	desired := v1alpha1.Desired{Commit: commit, Sequence: s.sequence, Run: "run-" + commit}
	d := &Deployer{Client: s.client}
	require.NoError(s.t, d.Deploy(s.t.Context(), "default", "hello", v1alpha1.Source{Repository: "hello"}, desired))
	return desired
}

// deploy pushes and waits for the end.
func (s *story) deploy(commit, manifests string) (*v1alpha1.Release, error) {
	s.t.Helper()
	desired := s.push(commit, manifests)
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	var said strings.Builder
	rel, err := (&Deployer{Client: s.client}).Wait(ctx, "default", "hello", desired, &said)
	s.t.Logf("%s took %s: %v\n%s", commit, time.Since(began).Round(time.Millisecond), err, said.String())
	return rel, err
}

func (s *story) app() *v1alpha1.Application {
	s.t.Helper()
	app := &v1alpha1.Application{}
	require.NoError(s.t, s.client.Get(s.t.Context(), keyOf("hello"), app))
	return app
}

func (s *story) spec(change func(*v1alpha1.ApplicationSpec)) {
	s.t.Helper()
	require.NoError(s.t, s.r.change(s.t.Context(), "default", "hello", func(a *v1alpha1.Application) error { change(&a.Spec); return nil }))
}

func (s *story) until(what string, ok func(*v1alpha1.Application) bool) {
	s.t.Helper()
	began := time.Now()
	until(s.t, what, func() bool { return ok(s.app()) })
	s.t.Logf("%s after %s", what, time.Since(began).Round(time.Millisecond))
}

// replicas of the Deployment, and who changes them through which door.
func (s *story) replicas() int32 {
	s.t.Helper()
	d := &appsv1.Deployment{}
	require.NoError(s.t, s.client.Get(s.t.Context(), keyOf("hello"), d))
	return *d.Spec.Replicas
}

func (s *story) scale(n int32) {
	s.t.Helper()
	_, err := s.kube.AppsV1().Deployments("default").UpdateScale(s.t.Context(), "hello", &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "hello"}, Spec: autoscalingv1.ScaleSpec{Replicas: n},
	}, metav1.UpdateOptions{FieldManager: "autoscaler"})
	require.NoError(s.t, err)
}

// testSync is about what only a real apiserver decides: ownership of
// fields, dry-runs, roles, definitions of kinds, and what its controllers make of hooks.
func testSync(t *testing.T, p *plane) {
	ctx := t.Context()
	s := &story{plane: p, t: t, source: &commits{trees: map[string]map[string]string{}}}
	var stop func()
	s.r, stop = manage(t, s.server, s.scheme, s.source, &sets{content: map[string][]byte{}})
	defer func() { stop() }()
	plain := tree("v1", "", "")["deploy/app.yaml"]

	// Hooks around two waves.
	hooked := plain + jobOf("migrate", "x-done", "argocd.argoproj.io/hook: PreSync, argocd.argoproj.io/hook-delete-policy: 'HookSucceeded,BeforeHookCreation'") +
		jobOf("smoke", "x-done", "helm.sh/hook: post-install") +
		"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: late, annotations: {argocd.argoproj.io/sync-wave: '2'}}\n"
	rel, err := s.deploy("c1", hooked)
	require.NoError(t, err)
	require.Len(t, rel.Status.Sync.Hooks, 2)
	for _, h := range rel.Status.Sync.Hooks {
		require.Equal(t, v1alpha1.HookSucceeded, h.State)
	}
	require.Error(t, s.client.Get(ctx, keyOf("migrate"), &batchv1.Job{}), "its policy deletes it")
	smoke := &batchv1.Job{}
	require.NoError(t, s.client.Get(ctx, keyOf("smoke"), smoke))
	require.NotContains(t, smoke.Finalizers, v1alpha1.HookFinalizer)

	// The same hooks again, made anew; one of them fails and nothing else happened.
	rel, err = s.deploy("c2", strings.Replace(strings.ReplaceAll(hooked, "hello:v1", "hello:v2"), `"example.test/x-done"`, `"example.test/x-fails"`, 1))
	require.ErrorContains(t, err, "PreSync hook Job/migrate failed: Job failed: BackoffLimitExceeded")
	require.NotNil(t, rel.Status.FinishedAt)
	live := &appsv1.Deployment{}
	require.NoError(t, s.client.Get(ctx, keyOf("hello"), live))
	require.Equal(t, "example.test/hello:v1", live.Spec.Template.Spec.Containers[0].Image)
	_, err = s.deploy("c3", strings.ReplaceAll(hooked, "hello:v1", "hello:v3"))
	require.NoError(t, err)
	again := &batchv1.Job{}
	require.NoError(t, s.client.Get(ctx, keyOf("smoke"), again))
	require.NotEqual(t, smoke.UID, again.UID)

	// A hook that hangs is interrupted by the next commit.
	s.push("stuck", plain+jobOf("slow", "x-runs", "slipway.dev/hook: PreSync"))
	s.until("the hook runs", func(a *v1alpha1.Application) bool {
		return strings.Contains(a.Status.Message, "hook Job/slow: Job runs")
	})
	_, err = s.deploy("c4", plain)
	require.NoError(t, err)
	until(t, "the hook is gone", func() bool { return s.client.Get(ctx, keyOf("slow"), &batchv1.Job{}) != nil })
	until(t, "hooks that left the set are gone", func() bool { return s.client.Get(ctx, keyOf("smoke"), &batchv1.Job{}) != nil })

	// Drift: seen by watch and put right, also through a subresource, and a deletion.
	began := time.Now()
	s.scale(5)
	until(t, "drift is put right", func() bool { return s.replicas() == 2 })
	require.NoError(t, s.client.Delete(ctx, &corev1.Service{ObjectMeta: metaOf("hello")}))
	until(t, "a deleted object is back", func() bool { return s.client.Get(ctx, keyOf("hello"), &corev1.Service{}) == nil })
	t.Logf("two drifts put right after %s", time.Since(began).Round(time.Millisecond))
	s.until("drift is noted", func(a *v1alpha1.Application) bool {
		return len(a.Status.Drift) == 2 && a.Status.Drift[0].Healed && a.Status.Sync == "Synced"
	})
	require.Equal(t, []string{".spec.replicas"}, s.app().Status.Drift[0].Fields)
	require.Equal(t, []string{"autoscaler"}, s.app().Status.Drift[0].Managers)

	// Or reported, or refused by name at the next release, or left to the other.
	s.spec(func(a *v1alpha1.ApplicationSpec) {
		a.SyncOptions = &v1alpha1.SyncOptions{Drift: "report", Conflicts: "fail"}
	})
	s.scale(4)
	s.until("drift is reported", func(a *v1alpha1.Application) bool {
		return a.Status.Sync == "OutOfSync" && meta.IsStatusConditionTrue(a.Status.Conditions, "Drifted")
	})
	_, err = s.deploy("c5", strings.ReplaceAll(plain, "hello:v1", "hello:v5"))
	require.ErrorContains(t, err, `Deployment/hello: "autoscaler" manages .spec.replicas; the application does not take fields from others`)
	require.EqualValues(t, 4, s.replicas())
	s.spec(func(a *v1alpha1.ApplicationSpec) {
		a.SyncOptions = nil
		a.IgnoreDifferences = []v1alpha1.IgnoreDifference{{Group: "apps", Kind: "Deployment", JSONPointers: []string{"/spec/replicas"}}}
	})
	rel, err = s.deploy("c6", strings.ReplaceAll(plain, "hello:v1", "hello:v6"))
	require.NoError(t, err)
	require.Empty(t, rel.Status.Conflicts)
	require.EqualValues(t, 4, s.replicas(), "what is ignored is left to others")
	s.until("and is no difference", func(a *v1alpha1.Application) bool { return a.Status.Sync == "Synced" })
	s.spec(func(a *v1alpha1.ApplicationSpec) { a.IgnoreDifferences = nil })

	// A fight: somebody sets it back at once, each time.
	fight, cancel := context.WithCancel(ctx)
	fought := make(chan int)
	go func() {
		changes := 0
		defer func() { fought <- changes }()
		w, err := s.client.Watch(fight, &appsv1.DeploymentList{}, client.InNamespace("default"))
		if err != nil {
			return
		}
		defer w.Stop()
		for e := range w.ResultChan() {
			if d, ok := e.Object.(*appsv1.Deployment); ok && d.Name == "hello" && *d.Spec.Replicas != 3 {
				d.Spec.Replicas = ptr.To[int32](3)
				if s.client.Update(fight, d, client.FieldOwner("opponent")) == nil {
					changes++
				}
			}
		}
	}()
	s.until("the fight is seen", func(a *v1alpha1.Application) bool {
		c := meta.FindStatusCondition(a.Status.Conditions, "Contested")
		return c != nil && strings.Contains(c.Message, ".spec.replicas was changed by") && strings.Contains(c.Message, "opponent")
	})
	held := time.NewTimer(5 * time.Second)
	<-held.C // the time over which it is shown not to be fought
	cancel()
	require.LessOrEqual(t, <-fought, freeHeals+3)

	// A definition and its objects in one set: where a role allows it.
	_, err = s.deploy("c7", plain+thing)
	require.ErrorContains(t, err, "CustomResourceDefinition/things.example.com: belongs to the whole cluster")
	grant := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "things"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"}, Verbs: []string{"*"}},
		{APIGroups: []string{"example.com"}, Resources: []string{"*"}, Verbs: []string{"*"}},
	}}
	require.NoError(t, s.client.Create(ctx, grant))
	require.NoError(t, s.client.Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "things"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "things"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: v1alpha1.DeployerServiceAccount}}}))
	s.spec(func(a *v1alpha1.ApplicationSpec) {
		a.HealthChecks = []v1alpha1.HealthCheck{{Group: "example.com", Kind: "Thing", Healthy: `status.phase == "Ready"`}}
	})
	s.push("c8", plain+thing)
	s.until("the thing is waited for", func(a *v1alpha1.Application) bool { return strings.Contains(a.Status.Message, "Thing/t:") })
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Thing"}}
	require.NoError(t, s.client.Get(ctx, keyOf("t"), object))
	require.NoError(t, unstructured.SetNestedField(object.Object, "Ready", "status", "phase"))
	require.NoError(t, s.client.Status().Update(ctx, object))
	s.until("its expression holds", func(a *v1alpha1.Application) bool { return a.Status.Sync == "Synced" && a.Status.Health == "Healthy" })
	// It is watched like any other kind.
	require.NoError(t, s.client.Get(ctx, keyOf("t"), object))
	require.NoError(t, unstructured.SetNestedField(object.Object, int64(7), "spec", "size"))
	require.NoError(t, s.client.Update(ctx, object))
	until(t, "drift of a custom resource is put right", func() bool {
		require.NoError(t, s.client.Get(ctx, keyOf("t"), object))
		size, _, _ := unstructured.NestedInt64(object.Object, "spec", "size")
		return size == 1
	})

	// An account of the namespace instead of the deployer.
	require.NoError(t, s.client.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metaOf("narrow")}))
	require.NoError(t, s.client.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: metaOf("narrow"),
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "narrow"}}}))
	s.spec(func(a *v1alpha1.ApplicationSpec) { a.ServiceAccount = "narrow" })
	_, err = s.deploy("c9", plain)
	require.ErrorContains(t, err, `User "system:serviceaccount:default:narrow" cannot patch`)
	s.spec(func(a *v1alpha1.ApplicationSpec) { a.ServiceAccount = "" })

	// Objects stay where they are, belong to nobody then, and are adopted when asked.
	require.NoError(t, s.r.Delete(ctx, "default", "hello", ptr.To(false), "ada"))
	until(t, "the application is gone", func() bool { return s.client.Get(ctx, keyOf("hello"), &v1alpha1.Application{}) != nil })
	require.NoError(t, s.client.Get(ctx, keyOf("hello"), live))
	require.NotContains(t, live.Labels, v1alpha1.LabelApplication)
	_, err = s.deploy("c10", plain)
	require.ErrorContains(t, err, "exists already and belongs to no application; to take it over, set spec.syncOptions.adopt")
	s.spec(func(a *v1alpha1.ApplicationSpec) { a.SyncOptions = &v1alpha1.SyncOptions{Adopt: true} })
	_, err = s.deploy("c11", strings.ReplaceAll(plain, "hello:v1", "hello:v11"))
	require.NoError(t, err)
	s.elsewhere(plain)
}

// elsewhere takes this cluster for another one, reached by a kubeconfig.
func (s *story) elsewhere(plain string) {
	t, ctx := s.t, s.t.Context()
	require.NoError(t, s.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "far"}}))
	require.NoError(t, s.client.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "far", Name: "remote"}}))
	require.NoError(t, s.client.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "far", Name: "remote"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: authz.RoleDeployer},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "far", Name: "remote"}}}))
	token, err := s.kube.CoreV1().ServiceAccounts("far").CreateToken(ctx, "remote", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	kubeconfig := strings.NewReplacer("SERVER", "https://10.41.0.1:6443", "CA", base64.StdEncoding.EncodeToString(s.admin.CAData), "TOKEN", token.Status.Token).Replace(`
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "SERVER", certificate-authority-data: CA}}]
users: [{name: u, user: {token: TOKEN}}]`)
	far := secret("far", "")
	far.Data = map[string][]byte{"kubeconfig": []byte(kubeconfig)}
	require.NoError(t, s.client.Create(ctx, far))
	app := &v1alpha1.Application{ObjectMeta: metaOf("abroad"), Spec: v1alpha1.ApplicationSpec{
		Source: v1alpha1.Source{Repository: "hello"}, Sync: "pipeline", Namespace: "far", Cluster: &v1alpha1.ClusterReference{KubeconfigSecret: "far"},
	}}
	require.NoError(t, s.client.Create(ctx, app))
	d := &Deployer{Client: s.client}
	s.source.mu.Lock()
	s.source.trees["far1"] = map[string]string{"deploy/app.yaml": plain}
	s.source.trees["far2"] = map[string]string{"deploy/app.yaml": strings.ReplaceAll(plain, "hello:v1", "hello:v2-broken")}
	s.source.trees["far3"] = map[string]string{"deploy/app.yaml": plain + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: more}\n"}
	s.source.mu.Unlock()
	deploy := func(commit string, sequence int64) (*v1alpha1.Release, error) {
		desired := v1alpha1.Desired{Commit: commit, Sequence: sequence, Run: "run"}
		require.NoError(t, d.Deploy(ctx, "default", "abroad", app.Spec.Source, desired))
		var said strings.Builder
		rel, err := d.Wait(ctx, "default", "abroad", desired, &said)
		t.Logf("%s: %v\n%s", commit, err, said.String())
		return rel, err
	}
	_, err = deploy("far1", 1)
	require.NoError(t, err)
	live := &appsv1.Deployment{}
	at := client.ObjectKey{Namespace: "far", Name: "hello"}
	require.NoError(t, s.client.Get(ctx, at, live))
	require.Equal(t, "default", live.Labels[v1alpha1.LabelApplicationNamespace])
	live.Spec.Replicas = ptr.To[int32](7)
	require.NoError(t, s.client.Update(ctx, live))
	until(t, "drift elsewhere is put right", func() bool { return s.client.Get(ctx, at, live) == nil && *live.Spec.Replicas == 2 })
	rel, err := deploy("far2", 2)
	require.ErrorContains(t, err, "Readiness probe failed")
	require.EqualValues(t, 1, rel.Status.RolledBackTo)
	_, err = deploy("far3", 3)
	require.ErrorContains(t, err, `namespaces "more" is forbidden`)
	require.NoError(t, s.r.Delete(ctx, "default", "abroad", nil, "ada"))
	until(t, "what was elsewhere is gone", func() bool { return s.client.Get(ctx, at, live) != nil })
}
