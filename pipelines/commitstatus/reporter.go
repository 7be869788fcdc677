package commitstatus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
)

// giveUp is how long after its end a run is no news any more. It is also why a forge that
// is configured today is not told of last year's runs.
const giveUp = 72 * time.Hour

// Reporter tells forges how runs go.
type Reporter struct {
	client.Client
	// HTTP decides which addresses may be dialled.
	HTTP *http.Client
	// ServerURL is the front door as people know it.
	ServerURL string
	Log       *slog.Logger
	Metrics   *Metrics
	// Events on Repositories; nil sends none.
	Events events.EventRecorder
	// Preview is the address at which the commit of a run can be looked at, or ""; nil
	// knows of none.
	Preview func(ctx context.Context, run *v1alpha1.Run) (string, error)
	// Now is the clock; nil is the real one.
	Now func() time.Time

	gates gates
	// told is what was said and is not yet seen on the Run.
	told sync.Map // types.NamespacedName -> v1alpha1.Reported
}

var _ reconcile.Reconciler = (*Reporter)(nil)

// SetupWithManager registers the controller.
func (r *Reporter) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("commit-status").For(&v1alpha1.Run{}).
		Watches(&v1alpha1.Repository{}, handler.EnqueueRequestsFromMapFunc(r.ofRepository), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Application{}, handler.EnqueueRequestsFromMapFunc(r.ofPreview)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).Complete(r)
}

// ofRepository are its runs: where they are told has changed.
func (r *Reporter) ofRepository(ctx context.Context, o client.Object) (out []reconcile.Request) {
	repo, ok := o.(*v1alpha1.Repository)
	if !ok || repo.Spec.Forge == nil {
		return nil
	}
	runs, err := r.runs(ctx, repo)
	if err != nil {
		return nil
	}
	for i := range runs {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&runs[i])})
	}
	return out
}

// ofPreview are the runs of the commit that a generated application shows.
func (r *Reporter) ofPreview(ctx context.Context, o client.Object) (out []reconcile.Request) {
	app, ok := o.(*v1alpha1.Application)
	if !ok || r.Preview == nil || app.Labels[v1alpha1.LabelApplicationSet] == "" || app.Spec.Desired == nil || len(app.Status.Addresses) == 0 {
		return nil
	}
	runs, err := r.runs(ctx, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Spec.Source.Repository}})
	if err != nil {
		return nil
	}
	for i := range runs {
		if runs[i].Spec.Commit == app.Spec.Desired.Commit {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&runs[i])})
		}
	}
	return out
}

func (r *Reporter) runs(ctx context.Context, repo *v1alpha1.Repository) ([]v1alpha1.Run, error) {
	list := &v1alpha1.RunList{}
	err := r.List(ctx, list, client.InNamespace(repo.Namespace), client.MatchingLabels{v1alpha1.LabelRepository: repo.Name})
	return list.Items, err
}

func (r *Reporter) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// Reconcile tells the forge of one run, if there is something new to say.
func (r *Reporter) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	run := &v1alpha1.Run{}
	if err := r.Get(ctx, req.NamespacedName, run); err != nil {
		r.done(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	repo := &v1alpha1.Repository{}
	key := types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}
	if err := r.Get(ctx, key, repo); err != nil || repo.Spec.Forge == nil {
		r.done(req.NamespacedName)
		r.gates.forgetRepository(key)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if run.Spec.Parent != nil || !run.DeletionTimestamp.IsZero() || r.old(run) {
		r.done(req.NamespacedName)
		return ctrl.Result{}, nil // the run that started it speaks for it
	}
	target, err := TargetOf(repo)
	if err != nil {
		return ctrl.Result{}, r.say(ctx, repo, "NotConfigured", err.Error())
	}
	status := Of(run, repo.Spec.Forge, r.ServerURL)
	if status.State == Succeeded && r.Preview != nil {
		address, err := r.Preview(ctx, run)
		if err != nil {
			return ctrl.Result{}, err
		}
		status.preview(address)
	}
	want := v1alpha1.Reported{State: target.word(status.State), Description: status.Description, To: target.to(status.Context)}
	if same(run.Status.Reported, want) {
		r.done(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if v, ok := r.told.Load(req.NamespacedName); ok {
		if told, _ := v.(v1alpha1.Reported); same(&told, want) {
			return ctrl.Result{}, r.note(ctx, run, told)
		}
	}
	if newest, err := r.newest(ctx, repo, run, target.Kind); err != nil || !newest {
		return ctrl.Result{}, err
	}
	return r.tell(ctx, repo, run, target, status, want)
}

func same(have *v1alpha1.Reported, want v1alpha1.Reported) bool {
	// A preview that went on to another commit takes nothing back of what was said of this one.
	said := have != nil && (have.Description == want.Description || strings.HasPrefix(have.Description, want.Description+previewWord))
	return said && have.State == want.State && have.To == want.To
}

func (r *Reporter) old(run *v1alpha1.Run) bool {
	return run.Status.Phase.Finished() && run.Status.FinishedAt != nil && r.now().Sub(run.Status.FinishedAt.Time) > giveUp
}

// done with a run for now.
func (r *Reporter) done(run types.NamespacedName) {
	r.told.Delete(run)
	r.gates.forget(run)
}

// newest says whether no later run speaks for the same commit under the same name.
func (r *Reporter) newest(ctx context.Context, repo *v1alpha1.Repository, run *v1alpha1.Run, kind string) (bool, error) {
	runs, err := r.runs(ctx, repo)
	if err != nil {
		return false, err
	}
	for i := range runs {
		o := &runs[i]
		if o.Spec.Commit != run.Spec.Commit || o.Spec.Parent != nil || contextOf(o, repo.Spec.Forge) != contextOf(run, repo.Spec.Forge) ||
			kind == GitLab && o.Spec.Ref != run.Spec.Ref { // GitLab keeps the statuses of refs apart
			continue
		}
		if later := cmp.Or(cmp.Compare(o.Spec.Sequence, run.Spec.Sequence), o.CreationTimestamp.Compare(run.CreationTimestamp.Time), cmp.Compare(o.Name, run.Name)); later > 0 {
			return false, nil
		}
	}
	return true, nil
}

// tell the forge, if it may be asked now, and note what came of it.
func (r *Reporter) tell(ctx context.Context, repo *v1alpha1.Repository, run *v1alpha1.Run, t Target, s Status, want v1alpha1.Reported) (ctrl.Result, error) {
	rk, ok := client.ObjectKeyFromObject(repo), client.ObjectKeyFromObject(run)
	if wait := r.gates.enter(rk, ok, repo.Generation, r.now()); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	v := r.ask(ctx, repo, t, s)
	if ctx.Err() != nil { // the server stops; the next one asks again
		v.result = later
	}
	again := r.gates.leave(rk, ok, v, r.now())
	if v.result == taken {
		want.At = metav1.NewMicroTime(r.now().Truncate(time.Microsecond))
		r.told.Store(ok, want)
		if err := r.note(ctx, run, want); err != nil {
			return ctrl.Result{}, err
		}
		return ctrl.Result{}, r.say(ctx, repo, "", "statuses of runs are written to "+t.API.Host+" "+t.Project)
	}
	r.Log.Warn("commit status not taken", "namespace", run.Namespace, "run", run.Name, "repository", repo.Name, "reason", v.reason, "message", v.message, "again", again.Round(time.Second))
	if v.result == later && v.reason != "RateLimited" && r.gates.failures(rk) < 3 {
		return ctrl.Result{RequeueAfter: again}, nil // a short trouble is not worth a word
	}
	return ctrl.Result{RequeueAfter: again}, r.say(ctx, repo, v.reason, v.message)
}

// note on the Run what the forge took. It has no precondition: nobody else writes this.
func (r *Reporter) note(ctx context.Context, run *v1alpha1.Run, told v1alpha1.Reported) error {
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"reported": told}})
	if err != nil {
		return err
	}
	err = r.Status().Patch(ctx, &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: run.Namespace, Name: run.Name}}, client.RawPatch(types.MergePatchType, patch))
	return client.IgnoreNotFound(err)
}

// timeout of one request.
const timeout = 15 * time.Second

// ask sends one request. Its verdict has no secret in it.
func (r *Reporter) ask(ctx context.Context, repo *v1alpha1.Repository, t Target, s Status) verdict {
	token, err := r.token(ctx, repo, t)
	if err != nil {
		return verdict{result: refused, reason: "NoToken", message: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := t.request(ctx, s, token)
	if err != nil {
		return verdict{result: refused, reason: "NotConfigured", message: "forge: " + err.Error()}
	}
	begun := time.Now()
	h := *r.HTTP
	h.CheckRedirect = sameHost
	res, err := h.Do(req)
	v := verdict{result: later, reason: "Unreachable"}
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		v.message = fmt.Sprintf("%s cannot be asked: %s; it is tried again by itself", t.API.Host, clip(err.Error(), 300))
	} else {
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxBody)) // what is missing only explains
		v = t.judge(res.StatusCode, res.Header, body, token, r.now())
	}
	r.Metrics.answered(t.Kind, v.result, time.Since(begun))
	return v
}

// token of the repository, if it is meant for the target's host: otherwise whoever may
// write a Repository could send any Secret anywhere.
func (r *Reporter) token(ctx context.Context, repo *v1alpha1.Repository, t Target) (string, error) {
	name := repo.Spec.Forge.TokenSecret
	var s corev1.Secret
	switch err := r.Get(ctx, client.ObjectKey{Namespace: repo.Namespace, Name: name}, &s); {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("forge: there is no secret %s; make it with the key token", name)
	case err != nil:
		return "", fmt.Errorf("forge: read secret %s: %w", name, err)
	}
	if !t.bound(s.Annotations[v1alpha1.AnnotationHost]) {
		return "", fmt.Errorf("forge: secret %s is not bound to this host; annotate it with %s: %q", name, v1alpha1.AnnotationHost, t.API.Host)
	}
	token := string(s.Data["token"])
	if token = trimmed(token); token == "" {
		return "", fmt.Errorf("forge: secret %s has no key token, or one that cannot be sent", name)
	}
	return token, nil
}
