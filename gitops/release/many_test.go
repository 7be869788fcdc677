package release

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// executor runs hooks that take ten seconds, as many at once as are started, and tells
// when one is over, as a watch does.
type executor struct {
	*cluster
	tell func(types.NamespacedName)

	mu     sync.Mutex
	ends   map[types.NamespacedName]time.Time
	twice  int
	before int
}

func (e *executor) Apply(_ context.Context, t apply.Target, objects []*unstructured.Unstructured) ([]v1alpha1.ObjectReference, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if end, ok := e.ends[of(t)]; !ok || time.Now().Before(end) {
		e.before++
	}
	refs := apply.Inventory(objects)
	for i := range refs {
		refs[i].Owned = "ours"
	}
	return refs, nil
}

func (e *executor) StartHook(_ context.Context, t apply.Target, _ apply.Hook) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.ends[of(t)]; ok {
		e.twice++
	}
	e.ends[of(t)] = time.Now().Add(10 * time.Second)
	time.AfterFunc(10*time.Second, func() { e.tell(of(t)) })
	return "uid", nil
}

func (e *executor) Hook(_ context.Context, t apply.Target, _ v1alpha1.ObjectReference, _ string) (bool, bool, string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	over := !time.Now().Before(e.ends[of(t)])
	return over, over, "", nil
}

func (e *executor) DropHook(context.Context, apply.Target, v1alpha1.ObjectReference, string, bool) error {
	return nil
}

func (e *executor) Prune(context.Context, apply.Target, []v1alpha1.ObjectReference, apply.Why) ([]v1alpha1.ObjectReference, error) {
	return nil, nil
}

func of(t apply.Target) types.NamespacedName {
	return types.NamespacedName{Namespace: t.Namespace, Name: t.Application}
}

// counter counts events by their reason.
type counter struct {
	healthy atomic.Int64
	want    int64
	done    chan struct{}
	other   sync.Map
}

func (c *counter) Eventf(_, _ runtime.Object, _, reason, _, note string, args ...any) {
	switch reason {
	case "ReleaseHealthy":
		if c.healthy.Add(1) == c.want {
			close(c.done)
		}
	case "ReleaseStarted":
	default:
		c.other.Store(reason+": "+fmt.Sprintf(note, args...), true)
	}
}

// TestHooksOfThousandsAtOnce: 1,000 applications (10,000 in `make soak`) with a PreSync
// hook of ten seconds and eight workers take little more than ten seconds (of a clock
// that only moves when everybody waits), not a thousand times ten: nobody waits in a
// worker, and nothing deadlocks.
func TestHooksOfThousandsAtOnce(t *testing.T) {
	applications := 1_000
	if os.Getenv("SLIPWAY_SOAK") != "" {
		applications = 10_000
	}
	scheme := runtime.NewScheme() // a small one: the fake goes through all of it at each write
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Secret{}, &corev1.SecretList{}, &corev1.Pod{}, &corev1.PodList{})
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](200*time.Millisecond, 15*time.Second))
		c := fake.NewClientBuilder().WithScheme(scheme).
			WithObjectTracker(clienttesting.NewObjectTracker(scheme, serializer.NewCodecFactory(scheme).UniversalDecoder())).
			WithStatusSubresource(&v1alpha1.Application{}, &v1alpha1.Release{}).
			WithIndex(&v1alpha1.Application{}, indexNeeds, needsOf).Build()
		e := &executor{cluster: &cluster{}, ends: map[types.NamespacedName]time.Time{}, tell: func(n types.NamespacedName) { queue.Add(ctrl.Request{NamespacedName: n}) }}
		told := &counter{want: int64(applications), done: make(chan struct{})}
		r := &Reconciler{
			Client: c, Reader: c, Source: repository{}, Applier: e, Events: told,
			Renderer: set("ConfigMap c", "Pod migrate hook=PreSync", "ConfigMap late sync-wave=1"),
			Store:    &Store{Sets: &sets{content: map[string][]byte{}}, Client: c, Reader: c},
			Log:      slog.New(slog.DiscardHandler), laps: &laps{},
		}
		start := time.Now()
		for i := range applications {
			name := types.NamespacedName{Namespace: fmt.Sprint("tenant-", i%1000), Name: fmt.Sprint("app-", i)}
			require.NoError(t, c.Create(t.Context(), &v1alpha1.Application{
				ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, UID: types.UID(name.Name)},
				Spec:       v1alpha1.ApplicationSpec{Source: v1alpha1.Source{Repository: "r"}, Desired: &v1alpha1.Desired{Commit: "c1", Sequence: 1}},
			}))
			queue.Add(ctrl.Request{NamespacedName: name})
		}
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				for {
					item, down := queue.Get()
					if down {
						return
					}
					result, err := r.Reconcile(t.Context(), item)
					switch {
					case err != nil:
						queue.AddRateLimited(item)
					case result.RequeueAfter > 0:
						queue.Forget(item)
						queue.AddAfter(item, result.RequeueAfter)
					default:
						queue.Forget(item)
					}
					queue.Done(item)
				}
			})
		}
		<-told.done
		took := time.Since(start)
		queue.ShutDown()
		workers.Wait()
		told.other.Range(func(k, _ any) bool { t.Error(k); return true })
		require.Zero(t, e.twice, "hooks that were made twice")
		require.Zero(t, e.before, "objects that came before their hook was over")
		require.Less(t, took, 20*time.Second)
		t.Logf("%d hooks of 10s in %s of the clock", applications, took)
	})
	t.Logf("%s of real time", time.Since(began).Round(time.Millisecond))
}
