package apply

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// came makes the metadata of an object of application web that came of another one.
func came(name, uid, owner string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Namespace: "shop", Name: name, UID: types.UID(uid), Labels: map[string]string{v1alpha1.LabelApplication: "web"},
		CreationTimestamp: metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	if owner != "" {
		m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "x", UID: types.UID(owner)}}
	}
	return m
}

func TestTreeFollowsOwners(t *testing.T) {
	deployment := &appsv1.Deployment{ObjectMeta: came("web", "d", ""), Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](2)}, Status: appsv1.DeploymentStatus{ReadyReplicas: 1}}
	pod := &corev1.Pod{ObjectMeta: came("web-2-a", "p", "r2"), Spec: corev1.PodSpec{InitContainers: []corev1.Container{{Name: "init"}}, Containers: []corev1.Container{{Name: "web"}, {Name: "side"}}}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", Ready: true, RestartCount: 2}, {Name: "side", RestartCount: 1}}
	foreign := came("other", "o", "r2")
	foreign.Labels = nil
	elsewhere := came("web-2-b", "e", "r2")
	elsewhere.Namespace = "trusted"
	a, _ := setup(t, deployment,
		&appsv1.ReplicaSet{ObjectMeta: came("web-1", "r1", "d"), Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](0)}},
		&appsv1.ReplicaSet{ObjectMeta: came("web-2", "r2", "d"), Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](2)}},
		pod,
		&corev1.Pod{ObjectMeta: came("web-debug", "x", "")}, // of the application by its label, of nobody by its owner
		&corev1.Pod{ObjectMeta: foreign},                    // says that it is owned, without the label that its owner gives
		&corev1.Pod{ObjectMeta: elsewhere},                  // owners are of the same namespace
		&corev1.Pod{ObjectMeta: came("loop-a", "la", "la")}, // of itself
		&corev1.Service{ObjectMeta: came("web", "s", "")},
		&discoveryv1.EndpointSlice{ObjectMeta: came("web-abc", "es", "s"), Endpoints: []discoveryv1.Endpoint{{}, {}}},
	)
	set := []v1alpha1.ObjectReference{
		{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "web", Owned: "before"},
		{Version: "v1", Kind: "Service", Namespace: "shop", Name: "web"},
		{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "gone", Owned: "x"},
	}
	nodes, err := a.Tree(t.Context(), shop, set, []v1alpha1.ObjectReference{{Group: "batch", Version: "v1", Kind: "Job", Namespace: "shop", Name: "migrate"}})
	require.NoError(t, err)
	var got []string
	for _, n := range nodes {
		require.Empty(t, n.Owned)
		got = append(got, strings.Join([]string{n.Parent, n.Kind + "/" + n.Name, n.Info}, " "))
	}
	require.Equal(t, []string{
		" Deployment/web 1/2 ready",
		"d ReplicaSet/web-2 0/2 ready",
		"r2 Pod/web-2-a 1/2 ready, 3 restarts",
		" Service/web ",
		"s EndpointSlice/web-abc 2 endpoints",
		" ConfigMap/gone ",
		" Job/migrate ",
	}, got)
	require.Equal(t, []string{"init", "web", "side"}, nodes[2].Containers)
	require.True(t, nodes[0].Drifted)
	require.Equal(t, "NotFound", nodes[5].Health)
	require.True(t, nodes[6].Hook)
}

func TestChildrenOfKindsThatAreNotKnownNeedNoLabel(t *testing.T) {
	pod := came("db-0", "p", "a")
	pod.Labels = nil
	a, _ := setup(t, &v1alpha1.Application{ObjectMeta: came("db", "a", "")}, &corev1.Pod{ObjectMeta: pod})
	nodes, err := a.Tree(t.Context(), shop, []v1alpha1.ObjectReference{{Group: "slipway.dev", Version: "v1alpha1", Kind: "Application", Namespace: "shop", Name: "db"}}, nil)
	require.NoError(t, err)
	require.Len(t, nodes, 2)
	require.Equal(t, "db-0", nodes[1].Name)
}

func TestLiveSecretsAreMasked(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: came("keys", "k", ""), Data: map[string][]byte{"token": []byte("planted-value")}}
	secret.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"stringData":{"token":"planted-value"}}`}
	a, c := setup(t, secret)
	ref := v1alpha1.ObjectReference{Version: "v1", Kind: "Secret", Namespace: "shop", Name: "keys"}
	text, err := a.Live(t.Context(), shop, ref)
	require.NoError(t, err)
	require.Contains(t, text, "token: '*****'")
	require.NotContains(t, text, "planted-value")
	require.NotContains(t, text, "cGxhbnRlZC12YWx1ZQ")
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))
	require.Equal(t, "planted-value", string(secret.Data["token"]), "what is shown is a copy")

	ref.Name = "none"
	text, err = a.Live(t.Context(), shop, ref)
	require.NoError(t, err)
	require.Empty(t, text)
}

func TestManyRootsOfOneKindAreListed(t *testing.T) {
	var objects []client.Object
	var set []v1alpha1.ObjectReference
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		m := came(name, name, "")
		if name == "b" {
			m.Labels = nil // somebody took our label away
		}
		if name != "c" { // and deleted this one
			objects = append(objects, &corev1.ConfigMap{ObjectMeta: m})
		}
		set = append(set, v1alpha1.ObjectReference{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: name})
	}
	a, _ := setup(t, objects...)
	nodes, err := a.Tree(t.Context(), shop, set, nil)
	require.NoError(t, err)
	var got []string
	for _, n := range nodes {
		got = append(got, n.Name+" "+n.Health)
	}
	require.Equal(t, []string{"a Current", "b Current", "c NotFound", "d Current", "e Current", "f Current"}, got)
}
