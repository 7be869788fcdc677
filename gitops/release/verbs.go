package release

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/source"
	"slipway.dev/gitops/watch"
)

// refused is an error that is for the person who asked: an answer of 400, in words.
func refused(format string, args ...any) error {
	return apierrors.NewBadRequest(fmt.Sprintf(format, args...))
}

// follows says whether what its source follows is what a person's sync asks for.
func follows(app *v1alpha1.Application) bool {
	request := strings.HasPrefix(app.Annotations[v1alpha1.AnnotationRef], "refs/merge-requests/")
	return app.Spec.Sync != "pipeline" && app.Spec.Promotion == nil && app.Spec.Source.Repository != "" && !request
}

// inputs makes the chart and the values as they are now those of the desired value.
func (r *Reconciler) inputs(ctx context.Context, app *v1alpha1.Application, by string) error {
	if app.Spec.Source.Helm == nil || app.Spec.Desired == nil && app.Spec.Source.Repository != "" || app.Spec.Promotion != nil {
		return nil
	}
	in, err := r.Renderer.Inputs(ctx, app)
	if text := refusal(err); err != nil && text != "" {
		return refused("application %s: %s", app.Name, text)
	}
	if err != nil {
		return err
	}
	if source.Offer(app, in) && by != "" && app.Spec.Desired.Cause == v1alpha1.CauseInputs {
		app.Spec.Desired.By, app.Spec.Desired.Cause = by, v1alpha1.CauseManual
	}
	return nil
}

// Retry has a value that failed tried again.
func (r *Reconciler) Retry(ctx context.Context, namespace, application string) error {
	return r.change(ctx, namespace, application, func(app *v1alpha1.Application) error {
		if app.Status.Refused == nil {
			return refused("application %s: nothing failed that could be tried again", application)
		}
		app.Spec.Retry = strconv.FormatInt(time.Now().UnixNano(), 36)
		return nil
	})
}

// Rollback pins a release that was healthy, until Unpin. Release 0 means the one
// that was healthy before the current one.
func (r *Reconciler) Rollback(ctx context.Context, namespace, application string, release int64, by string) error {
	return r.change(ctx, namespace, application, func(app *v1alpha1.Application) error {
		history, err := r.History(ctx, namespace, application)
		if err != nil {
			return err
		}
		var good []string
		for _, rel := range history {
			if rel.Status.Result != v1alpha1.ReleaseHealthy {
				continue
			}
			n := rel.Spec.Number
			if n == release || (release == 0 && n < app.Status.Current) {
				app.Spec.Pin, app.Spec.PinnedBy = n, by
				r.event(app, corev1.EventTypeNormal, "Pinned", "release %d is held from now on, by %s", n, by)
				r.Log.Info("rollback", "namespace", namespace, "application", application, "release", n, "by", by)
				return nil
			}
			good = append(good, strconv.FormatInt(n, 10))
		}
		if len(good) == 0 {
			return refused("application %s: no release was healthy yet", application)
		}
		if release == 0 {
			return refused("application %s: no release was healthy before release %d", application, app.Status.Current)
		}
		if !slices.ContainsFunc(history, func(rel v1alpha1.Release) bool { return rel.Spec.Number == release }) {
			return refused("application %s: there is no release %d; choose one of %s", application, release, strings.Join(good, ", "))
		}
		return refused("application %s: release %d was never healthy; choose one of %s", application, release, strings.Join(good, ", "))
	})
}

// Refresh looks at an application and at what it has applied soon, as if something of it had
// changed.
func (r *Reconciler) Refresh(namespace, application string) {
	if r.watcher != nil {
		r.watcher.Notify(watch.News{Application: types.NamespacedName{Namespace: namespace, Name: application}})
	}
}

// Unpin returns to what is desired.
func (r *Reconciler) Unpin(ctx context.Context, namespace, application, by string) error {
	return r.change(ctx, namespace, application, func(app *v1alpha1.Application) error {
		if app.Spec.Pin > 0 {
			r.event(app, corev1.EventTypeNormal, "Unpinned", "release %d is no longer held (%s)", app.Spec.Pin, by)
		}
		app.Spec.Pin, app.Spec.PinnedBy = 0, ""
		return nil
	})
}

// History of an application, newest first.
func (r *Reconciler) History(ctx context.Context, namespace, application string) ([]v1alpha1.Release, error) {
	list := &v1alpha1.ReleaseList{}
	if err := r.Reader.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelApplication: application}); err != nil {
		return nil, err
	}
	sort.Slice(list.Items, func(i, j int) bool { return list.Items[i].Spec.Number > list.Items[j].Spec.Number })
	return list.Items, nil
}

// Diff is the text of Changes: one unified diff an object.
func (r *Reconciler) Diff(ctx context.Context, namespace, application string) (string, error) {
	changes, err := r.Changes(ctx, namespace, application)
	if err != nil {
		return "", err
	}
	return differences(changes), nil
}

func differences(changes []apply.Change) string {
	var b strings.Builder
	for _, c := range changes {
		if c.Action != apply.Unchanged {
			fmt.Fprintf(&b, "%s %s/%s\n%s", c.Action, c.Object.Kind, c.Object.Name, c.Diff)
		}
	}
	return b.String()
}

// Changes says what making the desired value current would change, data of Secrets
// masked. Nothing is changed.
func (r *Reconciler) Changes(ctx context.Context, namespace, application string) ([]apply.Change, error) {
	app := &v1alpha1.Application{}
	if err := r.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app); err != nil {
		return nil, err
	}
	// What is shown is what would be applied now, with the chart and values of now.
	if err := r.inputs(ctx, app, ""); err != nil {
		return nil, err
	}
	if app.Spec.Desired == nil {
		return nil, nothing(app)
	}
	return r.changes(ctx, app, false)
}

// change updates the spec of an application, again if somebody else did meanwhile.
func (r *Reconciler) change(ctx context.Context, namespace, application string, do func(*v1alpha1.Application) error) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		app := &v1alpha1.Application{}
		if err := r.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app); err != nil {
			return err
		}
		if err := do(app); err != nil {
			return err
		}
		return r.Client.Update(ctx, app)
	})
}
