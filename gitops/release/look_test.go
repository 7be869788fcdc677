package release

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefake "k8s.io/client-go/kubernetes/fake"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/render"
)

// seeing is a cluster in which an application has a ConfigMap with a pod below.
type seeing struct {
	*cluster
	live string
}

var (
	seenRoot = v1alpha1.ObjectReference{Version: "v1", Kind: "ConfigMap", Namespace: "default", Name: "v1"}
	seenPod  = v1alpha1.ObjectReference{Version: "v1", Kind: "Pod", Namespace: "default", Name: "pod"}
)

func (s seeing) Tree(context.Context, apply.Target, []v1alpha1.ObjectReference, []v1alpha1.ObjectReference) ([]apply.Node, error) {
	pod := apply.Node{ObjectReference: seenPod, ID: "p", Parent: "c"}
	pod.Message = "back-off: planted-value"
	return []apply.Node{{ObjectReference: seenRoot, ID: "c"}, pod}, nil
}

func (s seeing) Live(_ context.Context, _ apply.Target, ref v1alpha1.ObjectReference) (string, error) {
	return s.live + ref.Kind, nil
}

// TestNothingThatIsLookedAtShowsASecret: threat 7.
func TestNothingThatIsLookedAtShowsASecret(t *testing.T) {
	w := newWorld(t, secret("s", "planted-value"))
	w.desire("c1", 1)
	w.settle()
	encoded := base64.StdEncoding.EncodeToString([]byte("planted-value"))
	w.r.Applier = seeing{w.cluster, "env: planted-value " + encoded + " "}
	w.r.Pods = kubefake.NewClientset(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: "e"},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Name: "pod"}, Type: "Warning", Reason: "Unhealthy", Message: "token planted-value", Count: 3,
	}, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: "of-another-group"},
		InvolvedObject: corev1.ObjectReference{APIVersion: "example.org/v1", Kind: "Pod", Name: "pod"}, Reason: "Other",
	})
	for _, ref := range []v1alpha1.ObjectReference{seenRoot, seenPod} {
		v, err := w.r.Look(t.Context(), "default", "hello", ref)
		require.NoError(t, err)
		text, err := json.Marshal(v)
		require.NoError(t, err)
		require.NotContains(t, string(text), "planted-value")
		require.NotContains(t, string(text), encoded)
		require.Contains(t, v.Live, hidden)
		if ref == seenPod {
			require.Empty(t, v.Desired, "what came of another object is in no set")
			require.Len(t, v.Events, 1)
		} else {
			require.Contains(t, v.Desired, "kind: ConfigMap")
			require.NotNil(t, v.Change)
		}
	}
	nodes, err := w.r.Tree(t.Context(), "default", "hello")
	require.NoError(t, err)
	require.Equal(t, "back-off: "+hidden, nodes[1].Message)
}

// TestOnlyWhatIsOfAnApplicationIsLookedAt: threat 14.
func TestOnlyWhatIsOfAnApplicationIsLookedAt(t *testing.T) {
	w := newWorld(t, secret("s", "planted-value"))
	w.desire("c1", 1)
	w.settle()
	w.r.Applier = seeing{w.cluster, ""}
	for _, ref := range []v1alpha1.ObjectReference{
		{Version: "v1", Kind: "Secret", Namespace: "default", Name: "s"},
		{Version: "v1", Kind: "Pod", Namespace: "kube-system", Name: "pod"},
		{Group: "example.org", Version: "v1", Kind: "Pod", Namespace: "default", Name: "pod"},
	} {
		_, err := w.r.Look(t.Context(), "default", "hello", ref)
		require.True(t, apierrors.IsNotFound(err), "%v: %v", ref, err)
	}
	_, err := w.r.Look(t.Context(), "other", "hello", seenPod)
	require.True(t, apierrors.IsNotFound(err))
}

// brought renders what the fakes render of everything.
type brought struct{}

func (brought) RenderTree(_ context.Context, _ *v1alpha1.Application, _ v1alpha1.Desired, fill func(string) error) (*render.Set, error) {
	if err := fill(""); err != nil {
		return nil, err
	}
	return renderer{set: "local"}.Render(context.Background(), &v1alpha1.Application{}, v1alpha1.Desired{})
}

func TestAWorkingCopyIsComparedAndRefusedInWords(t *testing.T) {
	w := newWorld(t, secret("s", "planted-value"))
	w.desire("c1", 1)
	w.settle()
	w.r.Trees = brought{}
	before := w.writes
	text, err := w.r.DiffTree(t.Context(), "default", "hello", func(string) error { return nil })
	require.NoError(t, err)
	require.Equal(t, "configured /\n+ token: *****\n", text)
	_, err = w.r.DiffTree(t.Context(), "default", "hello", func(string) error { return render.Refuse("deploy/a.yaml", 3, "no") })
	require.True(t, apierrors.IsBadRequest(err))
	require.ErrorContains(t, err, "application hello: deploy/a.yaml:3: no")
	require.Equal(t, before, w.writes, "nothing is changed")
}

// TestWhatHappenedIsTold of the application itself, without secrets.
func TestWhatHappenedIsTold(t *testing.T) {
	w := newWorld(t, secret("s", "planted-value"))
	w.desire("c1", 1)
	w.settle()
	event := func(name, kind, message string, minute int) *corev1.Event {
		return &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: name},
			InvolvedObject: corev1.ObjectReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: kind, Name: "hello"},
			Reason:         name, Message: message, LastTimestamp: metav1.NewTime(w.now.Add(time.Duration(minute) * time.Minute)),
		}
	}
	w.r.Pods = kubefake.NewClientset(event("Pinned", "Application", "by ada", 1), event("Failed", "Application", "token planted-value", 2), event("Pushed", "Repository", "", 3))
	got, err := w.r.EventsOf(t.Context(), "default", "hello")
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, "Failed token *****; Pinned by ada", got[0].Reason+" "+got[0].Message+"; "+got[1].Reason+" "+got[1].Message)
	_, err = w.r.EventsOf(t.Context(), "default", "nobody")
	require.True(t, apierrors.IsNotFound(err))
}
