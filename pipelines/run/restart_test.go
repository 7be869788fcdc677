package run

import (
	"context"
	"errors"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// crashAt makes the n-th write from now on, and all after it, fail: before it takes
// effect, or after it where n is odd. A restart ends that.
func (w *world) crashAt(n int) {
	inner, after := w.Controller.Client.(client.WithWatch), n%2 == 1
	left, dead := n/2, false
	write := func(do func() error) error {
		if dead {
			return errCrash
		}
		if left--; left >= 0 {
			return do()
		}
		dead = true
		if after {
			if err := do(); err != nil {
				return err
			}
		}
		return errCrash
	}
	w.live = inner
	w.Controller.Client = interceptor.NewClient(inner, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return write(func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return write(func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return write(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return write(func() error { return c.Delete(ctx, o, opts...) })
		},
		DeleteAllOf: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteAllOfOption) error {
			return write(func() error { return c.DeleteAllOf(ctx, o, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return write(func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
	})
}

// restart forgets what a process would.
func (w *world) restart() {
	c := w.Controller
	w.Controller = &Controller{Client: w.live, Compiler: c.Compiler, Artifacts: c.Artifacts, Archive: c.Archive, LogStore: c.LogStore, Logs: c.Logs,
		Tokens: c.Tokens, Log: c.Log, Settings: c.Settings, Events: c.Events}
}

var (
	errCrash = errors.New("crash")
	errSaid  = errors.New("said so")
)

func TestRestartMakesNothingTwice(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.push()
	w.settle("shop-1")
	// A crash before the mark was written: the same update is seen again.
	repo := &v1alpha1.Repository{}
	if err := w.Get(t.Context(), repoKey, repo); err != nil {
		t.Fatal(err)
	}
	delete(repo.Annotations, handledAnnotation)
	if err := w.Update(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	w.push()
	w.settle("shop-1")
	runs := &v1alpha1.RunList{}
	if err := w.List(t.Context(), runs); err != nil || len(runs.Items) != 1 || len(w.taskRuns()) != 1 {
		t.Fatalf("%d runs, task runs %v, err %v", len(runs.Items), w.taskRuns(), err)
	}
	// A crash between writing the decision and making the TaskRun: it is made.
	if err := w.Delete(t.Context(), &tekton.TaskRun{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-1-a-1"}}); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1")
	if got := w.taskRuns(); len(got) != 1 {
		t.Fatalf("task runs %v", got)
	}
	// A deleted run does not come back.
	if err := w.Delete(t.Context(), &runs.Items[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "shop-1"}}); err != nil {
		t.Fatal(err)
	}
	w.push()
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1"}, &v1alpha1.Run{}); !apierrors.IsNotFound(err) {
		t.Errorf("err %v", err)
	}
}
