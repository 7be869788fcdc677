package release

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/revision"
)

// Ask is how a person asks for one synchronisation.
type Ask struct {
	// Only these objects, as "Kind/name"; empty is all.
	Only []string `json:"only,omitempty"`
	// Prune: false keeps what left the set this time, and true agrees to delete what waits
	// for a word. nil is as the application says.
	Prune *bool `json:"prune,omitempty"`
}

func (a Ask) check() error {
	for _, name := range a.Only {
		if kind, rest, ok := strings.Cut(name, "/"); !ok || kind == "" || rest == "" || len(name) > 300 {
			return refused("only %.100q: want Kind/name, such as Deployment/web", name)
		}
	}
	if len(a.Only) > 200 {
		return refused("only: %d objects; at most 200 can be named", len(a.Only))
	}
	return nil
}

// Sync is SyncWith, for all of it.
func (r *Reconciler) Sync(ctx context.Context, namespace, application, by string) error {
	return r.SyncWith(ctx, namespace, application, by, Ask{})
}

// SyncWith makes what is followed desired, such as the head of the branch, and a value that failed before tried
// again. An application whose images a pipeline builds keeps its value: only the
// deploy job knows the digests. So does one that is promoted to, and one of a merge
// request, whose commit is on no branch here. What others changed is put right, also
// where drift is only reported.
func (r *Reconciler) SyncWith(ctx context.Context, namespace, application, by string, ask Ask) error {
	if err := ask.check(); err != nil {
		return err
	}
	return r.change(ctx, namespace, application, func(app *v1alpha1.Application) error {
		if !app.DeletionTimestamp.IsZero() {
			return r.partAgain(app)
		}
		if err := r.asked(ctx, app, by, ask); err != nil {
			return err
		}
		if len(app.Spec.Windows) > 0 && !app.Spec.Desired.Manual {
			app.Spec.Desired.Manual = true
			r.event(app, corev1.EventTypeNormal, "SyncAsked", "by %s: windows that allow it do not hold commit %.12s up", by, app.Spec.Desired.Commit)
		}
		token := strconv.FormatInt(time.Now().UnixNano(), 36)
		if app.Status.Refused != nil && same(*app.Status.Refused, *app.Spec.Desired) {
			app.Spec.Retry = token
		}
		if ask.Prune != nil && *ask.Prune {
			app.Spec.ConfirmPrune = token
		}
		if slices.ContainsFunc(app.Status.Drift, func(d v1alpha1.Drift) bool { return !d.Healed }) {
			app.Spec.Resync = token
		}
		return nil
	})
}

// asked makes desired what a synchronisation means.
func (r *Reconciler) asked(ctx context.Context, app *v1alpha1.Application, by string, ask Ask) error {
	if follows(app) {
		repo := &v1alpha1.Repository{}
		if err := r.Reader.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: app.Spec.Source.Repository}, repo); err != nil {
			if apierrors.IsNotFound(err) {
				return refused("application %s: repository %s is not there; push to it, or `slipway repo add %s`", app.Name, app.Spec.Source.Repository, app.Spec.Source.Repository)
			}
			return err
		}
		found, lost, err := revision.In(repo, r.Commits).Find(ctx, app)
		switch {
		case err != nil:
			return err
		case found == nil && lost != nil && lost.Reason != revision.TagDeleted:
			return refused("application %s: %s", app.Name, lost.Message)
		case found == nil && lost == nil:
			return refused("application %s: repository %s has no commit yet; push to it", app.Name, repo.Name)
		}
		have, s := app.Spec.Desired, &app.Spec.Source
		switch {
		case found == nil: // what a deleted tag was stays, and may be tried again
		case have != nil && have.Commit == found.Commit && have.Revision == found.Revision:
		case have != nil && have.Commit != found.Commit && have.Sequence > found.Sequence && !s.Fixed() && !revision.Chosen(app, found):
			return refused("application %s: update %d is already desired", app.Name, have.Sequence)
		default:
			found.By, found.Cause = by, v1alpha1.CauseManual
			revision.Take(app, found)
		}
	}
	if err := r.inputs(ctx, app, by); err != nil {
		return err
	}
	if app.Spec.Desired == nil {
		return nothing(app)
	}
	app.Spec.Desired.Sync = nil
	if part := (v1alpha1.SyncRequest{Only: ask.Only, KeepExtra: ask.Prune != nil && !*ask.Prune}); !sameRequest(nil, &part) {
		app.Spec.Desired.Sync = &part
	}
	return nil
}

// Preview says what SyncWith would change, or why it would be refused. Nothing is changed.
func (r *Reconciler) Preview(ctx context.Context, namespace, application string, ask Ask) (string, error) {
	if err := ask.check(); err != nil {
		return "", err
	}
	app := &v1alpha1.Application{}
	if err := r.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app); err != nil {
		return "", err
	}
	if err := r.asked(ctx, app, "", ask); err != nil {
		return "", err
	}
	changes, err := r.changes(ctx, app, true)
	if err != nil {
		return "", err
	}
	text := differences(changes)
	if app.Spec.Pin > 0 {
		text = fmt.Sprintf("# pinned to release %d: nothing happens before `slipway app unpin %s`\n", app.Spec.Pin, application) + text
	}
	return text, nil
}

// changes from what is live to what is desired. With check it is an error if the set
// would be refused.
func (r *Reconciler) changes(ctx context.Context, app *v1alpha1.Application, check bool) (_ []apply.Change, err error) {
	defer func() { err = answered(app, err) }()
	masks, err := r.masksOf(ctx, app)
	if err != nil {
		return nil, err
	}
	said := func(err error) error {
		if text := refusal(err); text != "" {
			return refused("application %s: %s", app.Name, masks.hide(text))
		}
		return err
	}
	plan, err := r.planOf(ctx, app)
	if err != nil {
		return nil, said(err)
	}
	n := app.Status.Current
	t, err := r.targetOf(ctx, app, n, plan)
	if err != nil {
		return nil, err
	}
	if check {
		if _, err := r.Applier.Check(ctx, t, plan.All()); err != nil {
			return nil, said(err)
		}
	}
	inventory := app.Status.Inventory
	if part := app.Spec.Desired.Sync; part != nil && part.KeepExtra {
		inventory = nil
	}
	changes, err := r.Applier.Diff(ctx, t, plan.Objects(), inventory)
	for i := range changes {
		changes[i].Diff = masks.hide(changes[i].Diff)
	}
	return changes, said(err)
}
