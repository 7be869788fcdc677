package release

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/registry/artifacts"
)

const (
	defaultHistory = 20
	// maxTrimmed in one step, so that a lowered limit does not hold a rollout up.
	maxTrimmed = 20
)

// indexReleases finds the releases of an application.
const indexReleases = "spec.application"

func applicationOf(o client.Object) []string {
	return []string{o.(*v1alpha1.Release).Spec.Application}
}

// trim removes releases beyond the application's limit, each with its set, and costs
// nothing when there are none. What cannot be removed now is tried again after the next
// release. The pinned, the current, the last healthy and unfinished ones stay.
func (r *Reconciler) trim(ctx context.Context, app *v1alpha1.Application) error {
	history := v1alpha1.HistoryStatus{}
	if app.Status.History != nil {
		history = *app.Status.History.DeepCopy()
	}
	limit := int64(app.Spec.HistoryLimit)
	if limit == 0 {
		limit = defaultHistory
	}
	through := min(app.Status.Last-limit, history.Through+maxTrimmed)
	var due, spared []int64
	for _, n := range history.Spared {
		if held(app, n) {
			spared = append(spared, n)
		} else {
			due = append(due, n)
		}
	}
	for n := history.Through + 1; n <= through; n++ {
		if held(app, n) {
			spared = append(spared, n)
		} else {
			due = append(due, n)
		}
	}
	through = max(through, history.Through)
	if len(due) > 0 {
		if err := r.discard(ctx, app, through, spared, due); err != nil {
			if ctx.Err() == nil {
				r.Log.Warn("releases not trimmed; trying again with the next one", "namespace", app.Namespace, "application", app.Name, "error", err)
			}
			return nil
		}
	}
	if through == history.Through && slices.Equal(spared, history.Spared) {
		return nil
	}
	return r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		s.History = &v1alpha1.HistoryStatus{Through: through, Spared: spared}
	})
}

// held says whether something holds release n of the application.
func held(app *v1alpha1.Application, n int64) bool {
	s := app.Status
	return n == app.Spec.Pin || n == s.Current || n == s.Healthy || n == s.Last
}

// discard removes releases with their sets. The set goes first: a crash in between finds
// the release again. A set that another release has too stays.
func (r *Reconciler) discard(ctx context.Context, app *v1alpha1.Application, through int64, spared, due []int64) error {
	used, err := r.digests(ctx, app, through, spared)
	if err != nil {
		return err
	}
	for _, n := range due {
		rel, err := r.release(ctx, app, n)
		if err != nil {
			return err
		}
		if rel == nil {
			continue
		}
		if d := rel.Spec.Rendered; d != "" && !used[d] {
			if err := r.Store.Forget(ctx, app.Namespace, app.Name, d); err != nil {
				return err
			}
		}
		if err := r.Client.Delete(ctx, rel); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// digests of the sets of all releases that stay. The cache may not have the newest ones
// yet; those are read.
func (r *Reconciler) digests(ctx context.Context, app *v1alpha1.Application, through int64, spared []int64) (map[string]bool, error) {
	list := &v1alpha1.ReleaseList{}
	if err := r.Client.List(ctx, list, client.InNamespace(app.Namespace), client.MatchingFields{indexReleases: app.Name}); err != nil {
		return nil, err
	}
	known := map[int64]string{}
	for _, rel := range list.Items {
		known[rel.Spec.Number] = rel.Spec.Rendered
	}
	used := map[string]bool{}
	keep := slices.Clone(spared)
	for n := through + 1; n <= app.Status.Last; n++ {
		keep = append(keep, n)
	}
	for _, n := range keep {
		digest, ok := known[n]
		if !ok {
			rel, err := r.release(ctx, app, n)
			if err != nil {
				return nil, err
			}
			if rel != nil {
				digest = rel.Spec.Rendered
			}
		}
		used[digest] = true
	}
	return used, nil
}

// forgetSets removes the sets of a deleted application; its releases go with it.
func (r *Reconciler) forgetSets(ctx context.Context, app *v1alpha1.Application) {
	list := &v1alpha1.ReleaseList{}
	err := r.Client.List(ctx, list, client.InNamespace(app.Namespace), client.MatchingFields{indexReleases: app.Name})
	done := map[string]bool{"": true}
	for _, rel := range list.Items {
		if d := rel.Spec.Rendered; !done[d] {
			done[d] = true
			err = errors.Join(err, r.Store.Forget(ctx, app.Namespace, app.Name, d))
		}
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("sets of a deleted application stay in the artifact store", "namespace", app.Namespace, "application", app.Name, "error", err)
	}
}

// Forget removes a set; one that is not there is no error.
func (s *Store) Forget(ctx context.Context, namespace, application, digest string) error {
	err := s.Sets.Delete(ctx, place(namespace, application), tag(digest))
	if err != nil && !errors.Is(err, artifacts.ErrNotFound) {
		return fmt.Errorf("set %s of application %s: %w", digest, application, err)
	}
	return nil
}
