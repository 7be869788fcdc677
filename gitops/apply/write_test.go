package apply

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

var plainWorkload = strings.NewReplacer("NS", "shop", ", SECURITY", "", "spec:\n  selector", "spec:\n  replicas: 2\n  selector").Replace(workload)

func key(name string) client.ObjectKey { return client.ObjectKey{Namespace: "shop", Name: name} }

// scale changes replicas as another manager does.
func scale(t *testing.T, c client.Client, n int32, manager string) {
	t.Helper()
	d := &appsv1.Deployment{}
	require.NoError(t, c.Get(context.Background(), key("web"), d))
	d.Spec.Replicas = &n
	require.NoError(t, c.Update(context.Background(), d, client.FieldOwner(manager)))
}

func replicas(t *testing.T, c client.Client) int32 {
	t.Helper()
	d := &appsv1.Deployment{}
	require.NoError(t, c.Get(context.Background(), key("web"), d))
	return *d.Spec.Replicas
}

func TestConflictsAreNamedTakenOrRefused(t *testing.T) {
	ctx := context.Background()
	a, c := setup(t)
	set := parse(t, plainWorkload)
	_, err := a.Apply(ctx, shop, set)
	require.NoError(t, err)
	scale(t, c, 5, "kubectl-scale")

	conflicts, err := a.Check(ctx, shop, set)
	require.NoError(t, err)
	require.Equal(t, []v1alpha1.FieldConflict{{Object: "Deployment/web", Manager: "kubectl-scale", Fields: []string{".spec.replicas"}}}, conflicts)

	careful := shop
	careful.Options.Conflicts = "fail"
	_, err = a.Check(ctx, careful, set)
	require.ErrorContains(t, err, `Deployment/web: "kubectl-scale" manages .spec.replicas; the application does not take fields`)
	_, err = a.Apply(ctx, careful, set)
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal)
	require.EqualValues(t, 5, replicas(t, c))

	_, err = a.Apply(ctx, shop, set)
	require.NoError(t, err)
	require.EqualValues(t, 2, replicas(t, c))
}

func TestDriftIsSeenByOwnershipAndNamed(t *testing.T) {
	ctx := context.Background()
	a, c := setup(t)
	set := parse(t, plainWorkload+"\n---\n"+noted("ConfigMap", "c")+"\ndata: {a: b}")
	set[1].SetNamespace("shop")
	refs, err := a.Apply(ctx, shop, set)
	require.NoError(t, err)
	_, drifted, err := a.Health(ctx, shop, refs)
	require.NoError(t, err)
	require.Empty(t, drifted)

	// What others add is theirs.
	d := &appsv1.Deployment{}
	require.NoError(t, c.Get(ctx, key("web"), d))
	d.Annotations = map[string]string{"their": "note"}
	require.NoError(t, c.Update(ctx, d, client.FieldOwner("somebody")))
	_, drifted, err = a.Health(ctx, shop, refs)
	require.NoError(t, err)
	require.Empty(t, drifted)

	scale(t, c, 5, "kubectl-edit")
	require.NoError(t, c.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c"}}))
	now, drifted, err := a.Health(ctx, shop, refs)
	require.NoError(t, err)
	require.Len(t, drifted, 2)
	require.Equal(t, "NotFound", now[1].Health)
	changes, err := a.Diff(ctx, shop, set, nil)
	require.NoError(t, err)
	require.Equal(t, []string{".spec.replicas"}, changes[0].Fields)
	require.Equal(t, []string{"kubectl-edit"}, changes[0].Managers)
	require.Contains(t, changes[0].Diff, "-  replicas: 5\n+  replicas: 2")
	require.Equal(t, Created, changes[1].Action)

	healed, err := a.Apply(ctx, shop, set)
	require.NoError(t, err)
	_, drifted, err = a.Health(ctx, shop, Record(refs, healed))
	require.NoError(t, err)
	require.Empty(t, drifted)
}

func TestIgnoredFieldsAreLeftToOthers(t *testing.T) {
	ctx := context.Background()
	for name, rule := range map[string]v1alpha1.IgnoreDifference{
		"by pointer": {Group: "apps", Kind: "Deployment", JSONPointers: []string{"/spec/replicas"}},
		"by manager": {Group: "*", Kind: "*", Name: "web", Managers: []string{"autoscaler"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, c := setup(t)
			set := parse(t, plainWorkload)
			target := shop
			target.Ignore = []v1alpha1.IgnoreDifference{rule}
			_, err := a.Apply(ctx, target, set)
			require.NoError(t, err)
			require.EqualValues(t, 2, replicas(t, c), "a new object is whole")
			_, err = a.Apply(ctx, target, set)
			require.NoError(t, err)
			require.EqualValues(t, 2, replicas(t, c), "what only we manage stays")

			scale(t, c, 5, "autoscaler")
			changes, err := a.Diff(ctx, target, set, nil)
			require.NoError(t, err)
			require.Equal(t, Unchanged, changes[0].Action, changes[0].Diff)
			conflicts, err := a.Check(ctx, target, set)
			require.NoError(t, err)
			require.Empty(t, conflicts)
			target.Release = 2
			_, err = a.Apply(ctx, target, set)
			require.NoError(t, err)
			require.EqualValues(t, 5, replicas(t, c))
		})
	}
	require.ErrorContains(t, ValidateIgnore([]v1alpha1.IgnoreDifference{{Kind: "A", JSONPointers: []string{"spec.replicas"}}}), "ignoreDifferences[0].jsonPointers[0]")
	require.ErrorContains(t, ValidateIgnore([]v1alpha1.IgnoreDifference{{Kind: "A"}}), "names no fields")
}

func TestObjectsOfNobodyAreAdoptedWhenAsked(t *testing.T) {
	ctx := context.Background()
	existing := func(notes map[string]string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c", Annotations: notes}, Data: map[string]string{"a": "theirs"}}
	}
	adopt := map[string]string{v1alpha1.AnnotationAdopt: "true"}
	for _, c := range []struct {
		name    string
		live    *corev1.ConfigMap
		desired string
		change  func(*Target)
		want    string
	}{
		{"by default", existing(nil), "", nil, "exists already and belongs to no application; to take it over, set spec.syncOptions.adopt: true or annotate it slipway.dev/adopt"},
		{"by the application", existing(nil), "", func(t *Target) { t.Options.Adopt = true }, ""},
		{"by the object", existing(adopt), "", nil, ""},
		{"by the manifest", existing(nil), `slipway.dev/adopt: "true"`, nil, ""},
		{"known", existing(nil), "", func(t *Target) {
			t.Known = []v1alpha1.ObjectReference{{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "c"}}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := setup(t, c.live)
			set := parse(t, noted("ConfigMap", "c", c.desired))
			set[0].SetNamespace("shop")
			target := shop
			if c.change != nil {
				c.change(&target)
			}
			_, err := a.Check(ctx, target, set)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	// One whose application is gone belongs to nobody.
	left := existing(nil)
	left.Labels = map[string]string{v1alpha1.LabelApplication: "gone"}
	a, _ := setup(t, left)
	set := parse(t, noted("ConfigMap", "c"))
	set[0].SetNamespace("shop")
	_, err := a.Check(ctx, shop, set)
	require.ErrorContains(t, err, "belongs to no application")
}

const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec: {group: example.com, scope: SCOPE, names: {kind: Thing, plural: things}}
---
apiVersion: example.com/v1
kind: Thing
metadata: {name: t, namespace: shop}`

func TestRolesSayWhereASetMayGo(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name, set string
		may       string
		want      string
	}{
		{"definition without a role", strings.ReplaceAll(definition, "SCOPE", "Namespaced"), "", "CustomResourceDefinition/things.example.com: belongs to the whole cluster"},
		{"definition and its objects", strings.ReplaceAll(definition, "SCOPE", "Namespaced"), "customresourcedefinitions", ""},
		{"definition, not its objects", strings.ReplaceAll(definition, "SCOPE", "Cluster"), "customresourcedefinitions", "Thing/t: belongs to the whole cluster"},
		{"objects of the cluster", strings.ReplaceAll(definition, "SCOPE", "Cluster"), "customresourcedefinitions things", ""},
		{"another namespace", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: trusted}", "configmaps", ""},
		{"a namespace that is not there", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: nowhere}", "configmaps", `"nowhere", which does not exist`},
		{"a namespace of the set", "apiVersion: v1\nkind: Namespace\nmetadata: {name: nowhere}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: nowhere}", "configmaps namespaces", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := setup(t)
			a.may = func(_ context.Context, _ client.Client, what authorizationv1.ResourceAttributes) (bool, error) {
				return strings.Contains(" "+c.may+" ", " "+what.Resource+" "), nil
			}
			_, err := a.Check(ctx, shop, parse(t, c.set))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	a, _ := setup(t)
	target := shop
	target.Options.SkipDryRunOnMissingResource = true
	_, err := a.Check(ctx, target, parse(t, "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t, namespace: shop}"))
	require.NoError(t, err)
}

func TestObjectsElsewhereSayWhoseTheyAre(t *testing.T) {
	ctx := context.Background()
	a, c := setup(t)
	set := parse(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: trusted}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r, namespace: shop}")
	_, err := a.Apply(ctx, shop, set)
	require.NoError(t, err)
	live := &corev1.ConfigMap{}
	require.NoError(t, c.Get(ctx, client.ObjectKey{Namespace: "trusted", Name: "c"}, live))
	require.Equal(t, "shop", live.Labels[v1alpha1.LabelApplicationNamespace])

	theirs := Target{Namespace: "other", Application: "web"}
	_, err = a.Prune(ctx, theirs, Inventory(set), Deleted)
	require.NoError(t, err)
	require.NoError(t, c.Get(ctx, client.ObjectKeyFromObject(live), live), "an application of the same name elsewhere")
	_, err = a.Prune(ctx, shop, Inventory(set), Deleted)
	require.NoError(t, err)
	require.True(t, apierrors.IsNotFound(c.Get(ctx, client.ObjectKeyFromObject(live), live)))
}

func TestPruneIsHeldBack(t *testing.T) {
	ctx := context.Background()
	a, c := setup(t)
	set := parse(t, noted("ConfigMap", "plain")+"\n---\n"+noted("ConfigMap", "kept", "slipway.dev/prune: disabled")+"\n---\n"+
		noted("ConfigMap", "asks", "argocd.argoproj.io/sync-options: Prune=confirm")+"\n---\n"+noted("ConfigMap", "stays", "argocd.argoproj.io/sync-options: Delete=false"))
	for _, o := range set {
		o.SetNamespace("shop")
	}
	there := func() string {
		var names []string
		for _, o := range set {
			if c.Get(ctx, key(o.GetName()), &corev1.ConfigMap{}) == nil {
				names = append(names, o.GetName())
			}
		}
		return strings.Join(names, " ")
	}
	_, err := a.Apply(ctx, shop, set)
	require.NoError(t, err)
	waiting, err := a.Prune(ctx, shop, Inventory(set[:3]), Left)
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	require.Equal(t, "asks", waiting[0].Name)
	require.Equal(t, "kept asks stays", there())
	_, err = a.Prune(ctx, shop, waiting, Confirmed)
	require.NoError(t, err)
	require.Equal(t, "kept stays", there())
	_, err = a.Prune(ctx, shop, Inventory(set), Deleted)
	require.NoError(t, err)
	require.Equal(t, "kept stays", there())
}

func TestOrphansBelongToNobody(t *testing.T) {
	ctx := context.Background()
	a, c := setup(t)
	set := parse(t, plainWorkload)
	_, err := a.Apply(ctx, shop, set)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, a.Orphan(ctx, shop, Inventory(set)))
	}
	d := &appsv1.Deployment{}
	require.NoError(t, c.Get(ctx, key("web"), d))
	require.NotContains(t, d.Labels, v1alpha1.LabelApplication)
	_, err = a.Prune(ctx, shop, Inventory(set), Deleted)
	require.NoError(t, err)
	require.NoError(t, c.Get(ctx, key("web"), d))
}

const hookJob = `apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop, annotations: {argocd.argoproj.io/hook: PreSync}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: x}]}}}`

func hookOf(t *testing.T, release int64) Hook {
	t.Helper()
	p, err := NewPlan(parse(t, hookJob), release, true)
	require.NoError(t, err)
	return p.Steps[0].Hooks[0]
}

func TestAHookIsMadeOnceForARelease(t *testing.T) {
	ctx := context.Background()
	a, c := setup(t)
	h := hookOf(t, 1)
	uid, err := a.StartHook(ctx, shop, h)
	require.NoError(t, err)
	again, err := a.StartHook(ctx, shop, h)
	require.NoError(t, err)
	require.Equal(t, uid, again)
	job := &batchv1.Job{}
	require.NoError(t, c.Get(ctx, key("migrate"), job))
	require.Contains(t, job.Finalizers, v1alpha1.HookFinalizer)
	done, _, _, err := a.Hook(ctx, shop, h.Reference(), uid)
	require.NoError(t, err)
	require.False(t, done)

	// Somebody deletes it: it is held until that was seen, and has failed.
	require.NoError(t, c.Delete(ctx, job))
	done, succeeded, message, err := a.Hook(ctx, shop, h.Reference(), uid)
	require.NoError(t, err)
	require.Equal(t, []any{true, false, "was deleted before it had finished"}, []any{done, succeeded, message})
	require.NoError(t, a.DropHook(ctx, shop, h.Reference(), uid, false))
	require.True(t, apierrors.IsNotFound(c.Get(ctx, key("migrate"), job)))
	require.NoError(t, a.DropHook(ctx, shop, h.Reference(), uid, true))
}

func TestAHookOfTheReleaseBeforeIsDeletedFirst(t *testing.T) {
	ctx := context.Background()
	a, c := setup(t)
	_, err := a.StartHook(ctx, shop, hookOf(t, 1))
	require.NoError(t, err)
	next := shop
	next.Release = 2
	_, err = a.StartHook(ctx, next, hookOf(t, 2))
	require.NoError(t, err)
	job := &batchv1.Job{}
	require.NoError(t, c.Get(ctx, key("migrate"), job))
	require.Equal(t, "web-2/PreSync", job.Annotations[annotationHookRun])

	// It holds on to something else's finalizer: nothing is made until it is gone.
	job.Finalizers = append(job.Finalizers, "example.com/slow")
	require.NoError(t, c.Update(ctx, job))
	next.Release = 3
	uid, err := a.StartHook(ctx, next, hookOf(t, 3))
	require.NoError(t, err)
	require.Empty(t, uid)
	require.NoError(t, c.Get(ctx, key("migrate"), job))
	job.Finalizers = nil
	require.NoError(t, client.IgnoreNotFound(c.Update(ctx, job)))
	uid, err = a.StartHook(ctx, next, hookOf(t, 3))
	require.NoError(t, err)
	require.NotEmpty(t, uid)

	theirs := Target{Namespace: "shop", Application: "other", Release: 1}
	_, err = a.StartHook(ctx, theirs, hookOf(t, 1))
	require.ErrorContains(t, err, `belongs to application "web"`)
}

func TestPodsRestartWhenTheirConfigurationChanges(t *testing.T) {
	ctx := context.Background()
	outside := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "password"}, Data: map[string][]byte{"p": []byte("planted-value")}}
	a, c := setup(t, outside)
	set := parse(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {a: b}\n---\n"+
		strings.Replace(plainWorkload, "containers: [{name: web, image: x}]", "containers: [{name: web, image: x, envFrom: [{configMapRef: {name: settings}}], env: [{name: P, valueFrom: {secretKeyRef: {name: password, key: p}}}]}], "+
			"volumes: [{name: v, projected: {sources: [{secret: {name: absent, optional: true}}]}}]", 1))
	target := shop
	target.Options.RestartOnConfigChange = true
	target.Seal = func(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
	checksum := func(part []*unstructured.Unstructured) string {
		target.Set = set
		_, err := a.Apply(ctx, target, part)
		require.NoError(t, err)
		d := &appsv1.Deployment{}
		require.NoError(t, c.Get(ctx, key("web"), d))
		return d.Spec.Template.Annotations[v1alpha1.AnnotationConfigChecksum]
	}
	first := checksum(set)
	require.NotEmpty(t, first)
	require.Equal(t, first, checksum(set[1:]), "whatever part of the set is written")
	references, err := a.References(ctx, target, set)
	require.NoError(t, err)
	require.Len(t, references, 2)
	require.Equal(t, []string{"absent", "password"}, []string{references[0].Name, references[1].Name})
	changed, err := a.Changed(ctx, target, references)
	require.NoError(t, err)
	require.False(t, changed)

	require.NoError(t, unstructured.SetNestedField(set[0].Object, "bcc", "data", "a"))
	second := checksum(set)
	require.NotEqual(t, first, second, "a ConfigMap of the set")
	outside.Data["p"] = []byte("another")
	require.NoError(t, c.Update(ctx, outside))
	changed, err = a.Changed(ctx, target, references)
	require.NoError(t, err)
	require.True(t, changed)
	require.NotEqual(t, second, checksum(set), "a Secret outside of it")
}

func TestReplaceWritesTheWholeObject(t *testing.T) {
	ctx := context.Background()
	a, c := setup(t)
	set := parse(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop, annotations: {argocd.argoproj.io/sync-options: Replace=true}}\ndata: {a: b}")
	_, err := a.Apply(ctx, shop, set)
	require.NoError(t, err)
	live := &corev1.ConfigMap{}
	require.NoError(t, c.Get(ctx, key("c"), live))
	live.Data["theirs"] = "x"
	require.NoError(t, c.Update(ctx, live, client.FieldOwner("somebody")))
	_, err = a.Check(ctx, shop, set)
	require.NoError(t, err)
	_, err = a.Apply(ctx, shop, set)
	require.NoError(t, err)
	require.NoError(t, c.Get(ctx, key("c"), live))
	require.Equal(t, map[string]string{"a": "b"}, live.Data)
}

func TestAFinishedJobMayGo(t *testing.T) {
	ctx := context.Background()
	a, c := setup(t)
	set := parse(t, strings.Replace(strings.Replace(hookJob, ", annotations: {argocd.argoproj.io/hook: PreSync}", "", 1), "spec: {template", "spec: {ttlSecondsAfterFinished: 1, template", 1))
	refs, err := a.Apply(ctx, shop, set)
	require.NoError(t, err)
	job := &batchv1.Job{}
	require.NoError(t, c.Get(ctx, key("migrate"), job))
	job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	require.NoError(t, c.Status().Update(ctx, job))
	refs, _, err = a.Health(ctx, shop, refs)
	require.NoError(t, err)
	require.NoError(t, c.Delete(ctx, job))
	now, drifted, err := a.Health(ctx, shop, refs)
	require.NoError(t, err)
	require.Empty(t, drifted)
	require.Equal(t, "Current", now[0].Health)
}

func TestANamespaceInDeletionIsNamed(t *testing.T) {
	deleted := metav1.NewTime(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	a, c := setup(t, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: "leaving", DeletionTimestamp: &deleted, Finalizers: []string{"example.com/stuck"}},
		Status: corev1.NamespaceStatus{Phase: corev1.NamespaceTerminating, Conditions: []corev1.NamespaceCondition{
			{Type: corev1.NamespaceFinalizersRemaining, Status: corev1.ConditionTrue, Message: "Some content in the namespace has finalizers remaining: example.com/stuck in 1 resource instances"},
		}},
	})
	terminating := apierrors.NewForbidden(corev1.Resource("configmaps"), "c", nil)
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	target := Target{Namespace: "leaving", Application: "web"}
	err := a.named(context.Background(), &place{client: c, reader: c}, target, explain(terminating))
	var waiting *Waiting
	require.ErrorAs(t, err, &waiting)
	require.ErrorContains(t, err, `namespace "leaving" is being deleted since 2026-05-01 12:00:00; Some content in the namespace has finalizers remaining: example.com/stuck`)
}
