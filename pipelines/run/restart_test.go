package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
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
	delete(repo.Annotations, v1alpha1.RunsThroughAnnotation)
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

// TestEveryUpdateHasARun: of two pushes that come before anybody looks each was told the
// address of its run, and neither is made twice when a third has come.
func TestEveryUpdateHasARun(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	next := func(sequence int64, overtaken ...v1alpha1.RefUpdate) {
		repo := &v1alpha1.Repository{}
		if err := w.Get(t.Context(), repoKey, repo); err != nil {
			t.Fatal(err)
		}
		main := repo.Status.Refs["refs/heads/main"]
		main.Before, main.Commit, main.Sequence, main.By = main.Commit, fmt.Sprintf("%040d", sequence), sequence, "bob"
		repo.Status.Refs["refs/heads/main"], repo.Status.Sequence, repo.Status.Overtaken = main, sequence, overtaken
		if err := w.Status().Update(t.Context(), repo); err != nil {
			t.Fatal(err)
		}
	}
	first := v1alpha1.RefUpdate{Ref: "refs/heads/main", RefStatus: v1alpha1.RefStatus{Commit: strings.Repeat("a", 40), Sequence: 1, Via: "push", By: "ann"}}
	gone := v1alpha1.RefUpdate{Ref: "refs/heads/gone", RefStatus: v1alpha1.RefStatus{Commit: strings.Repeat("b", 40), Sequence: 2, Via: "push", By: "ann"}}
	next(3, first, gone)
	w.push()
	next(4, first, gone) // nobody has cleared the list meanwhile
	w.push()
	runs := &v1alpha1.RunList{}
	if err := w.List(t.Context(), runs); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range runs.Items {
		got[r.Name] = r.Spec.Commit[:4] + " of " + r.Spec.Ref + " by " + r.Spec.By
	}
	want := map[string]string{
		"shop-1": "aaaa of refs/heads/main by ann", "shop-2": "bbbb of refs/heads/gone by ann", "shop-3": "0000 of refs/heads/main by bob", "shop-4": "0000 of refs/heads/main by bob",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
