package apply

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

// setup makes an Applier on a fake cluster with a tenant and another namespace.
func setup(t *testing.T, objects ...client.Object) (*Applier, client.Client) {
	t.Helper()
	mapper := meta.NewDefaultRESTMapper(nil)
	for kind, scope := range map[string]meta.RESTScope{
		"ConfigMap": meta.RESTScopeNamespace, "Secret": meta.RESTScopeNamespace, "Service": meta.RESTScopeNamespace,
		"PersistentVolumeClaim": meta.RESTScopeNamespace, "Pod": meta.RESTScopeNamespace, "Namespace": meta.RESTScopeRoot,
		"Node": meta.RESTScopeRoot,
	} {
		mapper.Add(corev1.SchemeGroupVersion.WithKind(kind), scope)
	}
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), meta.RESTScopeNamespace)
	mapper.Add(rbacv1.SchemeGroupVersion.WithKind("ClusterRole"), meta.RESTScopeRoot)
	objects = append(objects,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "trusted", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "privileged"}}},
	)
	mapper.Add(batchv1.SchemeGroupVersion.WithKind("Job"), meta.RESTScopeNamespace)
	known := runtime.NewScheme()
	require.NoError(t, errors.Join(scheme.AddToScheme(known), v1alpha1.AddToScheme(known)))
	mapper.Add(v1alpha1.GroupVersion.WithKind("Application"), meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}, meta.RESTScopeRoot)
	c := lifelike(known, mapper, objects...)
	a, err := New(&rest.Config{}, c, mapper, nil)
	require.NoError(t, err)
	a.connect = func(string, string) (client.Client, error) { return c, nil }
	a.may = func(context.Context, client.Client, authorizationv1.ResourceAttributes) (bool, error) {
		return false, nil
	}
	return a, c
}

var shop = Target{Namespace: "shop", Application: "web", Release: 1}

func parse(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, doc := range strings.Split(text, "\n---\n") {
		o := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte(doc), &o.Object))
		out = append(out, o)
	}
	return out
}

// lifelike is a fake cluster that gives objects a UID and answers dry-runs of
// server-side apply, on a copy.
func lifelike(known *runtime.Scheme, mapper meta.RESTMapper, objects ...client.Object) client.Client {
	builder := func() *fake.ClientBuilder {
		return fake.NewClientBuilder().WithScheme(known).WithRESTMapper(mapper).WithReturnManagedFields()
	}
	return interceptor.NewClient(builder().WithObjects(objects...).Build(), interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			options := (&client.PatchOptions{}).ApplyOptions(opts)
			if patch.Type() == types.ApplyPatchType && len(options.DryRun) > 0 {
				live := &unstructured.Unstructured{}
				live.SetGroupVersionKind(o.GetObjectKind().GroupVersionKind())
				scratch := builder()
				if c.Get(ctx, client.ObjectKeyFromObject(o), live) == nil {
					scratch = scratch.WithObjects(live)
				}
				options.DryRun = nil
				return scratch.Build().Patch(ctx, o, patch, options)
			}
			if err := c.Patch(ctx, o, patch, opts...); err != nil || o.GetUID() != "" {
				return err
			}
			o.SetUID(uuid.NewUUID())
			return c.Update(ctx, o)
		},
	})
}

func application(namespace, name string) *v1alpha1.Application {
	return &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

const workload = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: x, SECURITY}]}`

func TestCheckRefusesBeforeAnythingChanges(t *testing.T) {
	privileged := strings.ReplaceAll(workload, "SECURITY", "securityContext: {privileged: true}")
	plain := strings.ReplaceAll(workload, ", SECURITY", "")
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\n---\n"
	other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "theirs", Labels: map[string]string{v1alpha1.LabelApplication: "other"}}}
	for _, c := range []struct{ name, namespace, set, want string }{
		{"good", "shop", config + strings.ReplaceAll(plain, "NS", "shop"), ""},
		{"missing namespace", "shop", config + strings.ReplaceAll(plain, "NS", "nowhere"), `Deployment/web: names namespace "nowhere", which does not exist`},
		{"another namespace", "shop", config + strings.ReplaceAll(plain, "NS", "trusted"), `names namespace "trusted"; an application may write only in namespace "shop"`},
		{"privileged", "shop", config + strings.ReplaceAll(privileged, "NS", "shop"), `Deployment/web: its pods violate the pod security level "baseline" of namespace "shop": privileged`},
		{"privileged where allowed", "trusted", strings.ReplaceAll(privileged, "NS", "trusted"), ""},
		{"host path", "shop", strings.ReplaceAll(strings.ReplaceAll(plain, "NS", "shop"), "spec: {containers", "spec: {volumes: [{name: v, hostPath: {path: /}}], containers"), "hostPath volumes"},
		{"cluster role", "shop", config + "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}", "ClusterRole/r: belongs to the whole cluster"},
		{"namespace", "shop", "apiVersion: v1\nkind: Namespace\nmetadata: {name: extra}", "Namespace/extra: belongs to the whole cluster"},
		{"unknown kind", "shop", "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: n, namespace: shop}", `the cluster knows no kind "Thing" in example.com/v1`},
		{"of another application", "shop", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs, namespace: shop}", `belongs to application "other"`},
		{"tenant without namespace", "gone", config, `namespace "gone" does not exist`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, cluster := setup(t, other.DeepCopy(), application("shop", "other"))
			_, err := a.Check(context.Background(), Target{Namespace: c.namespace, Application: "web", Release: 1}, parse(t, c.set))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			var refusal *Refusal
			require.ErrorAs(t, err, &refusal)
			require.True(t, apierrors.IsNotFound(cluster.Get(context.Background(), client.ObjectKey{Namespace: "shop", Name: "c"}, &corev1.ConfigMap{})))
		})
	}
}

func TestApplyThenPrune(t *testing.T) {
	ctx := context.Background()
	a, cluster := setup(t)
	target := Target{Namespace: "shop", Application: "web", Release: 3}
	set := parse(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\n---\n"+
		"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p, namespace: shop}\nspec: {}\n---\n"+
		strings.ReplaceAll(strings.ReplaceAll(workload, "NS", "shop"), ", SECURITY", ""))
	written, err := a.Apply(ctx, target, set)
	require.NoError(t, err)
	require.Len(t, written, 3)
	require.NotEmpty(t, written[0].Owned)

	deployment := &appsv1.Deployment{}
	require.NoError(t, cluster.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "web"}, deployment))
	require.Equal(t, "web-3", deployment.Labels[v1alpha1.LabelRelease])
	require.NotContains(t, deployment.Spec.Template.Labels, v1alpha1.LabelRelease)
	require.NotContains(t, deployment.Spec.Selector.MatchLabels, v1alpha1.LabelApplication)

	inventory := Inventory(set)
	require.Len(t, Union(inventory, inventory), 3)
	gone := Minus(inventory, Inventory(set[2:]))
	require.Len(t, gone, 2)
	for range 2 {
		waiting, err := a.Prune(ctx, target, gone, Left)
		require.NoError(t, err)
		require.Empty(t, waiting)
	}
	require.True(t, apierrors.IsNotFound(cluster.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "c"}, &corev1.ConfigMap{})))
	require.NoError(t, cluster.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "p"}, &corev1.PersistentVolumeClaim{}))
}

func TestHealthAndAddresses(t *testing.T) {
	ctx := context.Background()
	a, _ := setup(t,
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.41.0.1"}}}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}}}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data"}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "odd", Annotations: map[string]string{"argocd.argoproj.io/ignore-healthcheck": "true"}}},
	)
	odd, _, err := a.Health(ctx, shop, []v1alpha1.ObjectReference{{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "odd"}})
	require.NoError(t, err)
	require.Equal(t, "Current", odd[0].Health)
	refs, _, err := a.Health(ctx, shop, []v1alpha1.ObjectReference{
		{Version: "v1", Kind: "Service", Namespace: "shop", Name: "web"},
		{Version: "v1", Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "data"},
		{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "web"},
	})
	require.NoError(t, err)
	health, why := Summary(refs)
	require.Equal(t, "Progressing", health, why)
	health, _ = Summary(refs[:2])
	require.Equal(t, "Healthy", health)

	addresses, err := a.Addresses(ctx, shop, refs)
	require.NoError(t, err)
	require.Equal(t, []string{"http://10.41.0.1:30080"}, addresses)

	gone, _, err := a.Health(ctx, shop, []v1alpha1.ObjectReference{{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "x"}})
	require.NoError(t, err)
	health, why = Summary(gone)
	require.Equal(t, "Degraded", health)
	require.Equal(t, "ConfigMap/x: is gone", why)
}

func TestDeadlineIsTheLongestOfTheSet(t *testing.T) {
	set := parse(t, "metadata: {annotations: {slipway.dev/health-deadline: 10s}}\n---\nmetadata: {annotations: {slipway.dev/health-deadline: 1m}}\n---\nmetadata: {annotations: {slipway.dev/health-deadline: soon}}")
	require.Equal(t, time.Minute, Deadline(set))
}

func TestMaskHidesSecrets(t *testing.T) {
	set := parse(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {token: planted}\ndata: {key: cGxhbnRlZA==}")
	text := strings.Join(lines(mask(set[0])), "")
	require.NotContains(t, text, "planted")
	require.NotContains(t, text, "cGxhbnRlZA==")
	require.Contains(t, text, "token")
}

func TestRefusalsConcealTheSetsOwnSecrets(t *testing.T) {
	set := parse(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {pin: 48151623, token: [planted-value]}\ndata: {key: cGxhbnRlZA==}")
	err := conceal(set, refuse(".stringData.pin: expected string, got 48151623; [planted-value]; planted; cGxhbnRlZA=="))
	require.EqualError(t, err, ".stringData.pin: expected string, got *****; [*****]; *****; *****")
	require.NoError(t, conceal(set, nil))
}
