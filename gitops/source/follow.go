package source

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// ConditionInputs is False, with the reason, while the chart or the values of an
// application are not found.
const ConditionInputs = "InputsFound"

// Follower writes into desired values which chart and values they mean now, so that a
// newer version in a range, or other values, are a new release. An application whose
// sync is manual follows when somebody asks; what its value does not say is added.
type Follower struct {
	Client client.Client
	// Reader reads uncached.
	Reader client.Reader
	// Inputs is Renderer.Inputs.
	Inputs func(ctx context.Context, app *v1alpha1.Application) (*v1alpha1.Inputs, error)
	Log    *slog.Logger
	// Interval between two looks at what a range of versions means. Default 5m.
	Interval time.Duration
}

// SetupWithManager watches Applications, and the ConfigMaps and Secrets that their
// values are in (metadata only).
func (f *Follower) SetupWithManager(m ctrl.Manager) error {
	if err := m.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.Application{}, indexValues, valuesOf); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(m).Named("chart-inputs").
		For(&v1alpha1.Application{}, builder.WithPredicates(predicate.GenerationChangedPredicate{}, predicate.NewPredicateFuncs(withChart))).
		WatchesMetadata(&corev1.ConfigMap{}, f.users("ConfigMap")).
		WatchesMetadata(&corev1.Secret{}, f.users("Secret")).
		Complete(f)
}

// withChart says whether an application has inputs at all; the others are not looked at.
func withChart(o client.Object) bool {
	app, ok := o.(*v1alpha1.Application)
	return ok && app.Spec.Source.Helm != nil
}

// indexValues finds applications by the objects that their values are in.
const indexValues = "spec.source.helm.valuesFrom"

func valuesOf(o client.Object) []string {
	app, ok := o.(*v1alpha1.Application)
	if !ok || app.Spec.Source.Helm == nil {
		return nil
	}
	var out []string
	for _, from := range app.Spec.Source.Helm.ValuesFrom {
		out = append(out, from.Kind+"/"+from.Name)
	}
	return out
}

// users enqueues the applications whose values are in an object.
func (f *Follower) users(kind string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		apps := &v1alpha1.ApplicationList{}
		if err := f.Client.List(ctx, apps, client.InNamespace(o.GetNamespace()), client.MatchingFields{indexValues: kind + "/" + o.GetName()}); err != nil {
			f.Log.Warn("applications with values of an object are not known", "namespace", o.GetNamespace(), "name", o.GetName(), "error", err)
			return nil
		}
		var out []reconcile.Request
		for _, app := range apps.Items {
			out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: app.Namespace, Name: app.Name}})
		}
		return out
	})
}

// Reconcile brings the inputs of one application up to date.
func (f *Follower) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	app := &v1alpha1.Application{}
	if err := f.Reader.Get(ctx, req.NamespacedName, app); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	h := app.Spec.Source.Helm
	desired := app.Spec.Desired
	switch {
	case h == nil || !app.DeletionTimestamp.IsZero():
		return ctrl.Result{}, nil
	case desired == nil && (app.Spec.Source.Repository != "" || app.Spec.Sync == "manual"):
		return ctrl.Result{}, nil // until there is a commit, or somebody asks
	case app.Spec.Sync == "manual" && complete(desired.Inputs):
		return ctrl.Result{}, nil
	}
	in, err := f.Inputs(ctx, app)
	if err != nil {
		var refusal *render.Error
		told := f.tell(ctx, app, err)
		if errors.As(err, &refusal) {
			return ctrl.Result{RequeueAfter: f.interval()}, told
		}
		return ctrl.Result{}, errors.Join(err, told)
	}
	if err := f.tell(ctx, app, nil); err != nil {
		return again(err)
	}
	if Offer(app, in) {
		if err := f.Client.Update(ctx, app); err != nil {
			return again(err)
		}
		f.Log.Info("inputs are desired", "namespace", app.Namespace, "application", app.Name, "version", in.Version, "digest", in.Digest)
	}
	if h.Repository == "" {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: f.interval()}, nil
}

// again looks once more, without an error, where somebody else wrote in the meantime.
func again(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	return ctrl.Result{}, err
}

// Offer writes inputs into the desired value, and says whether they are others.
func Offer(app *v1alpha1.Application, in *v1alpha1.Inputs) bool {
	desired := app.Spec.Desired
	switch {
	case in == nil:
		return false
	case desired == nil:
		app.Spec.Desired = &v1alpha1.Desired{Sequence: 1, Inputs: in, By: "chart", Cause: v1alpha1.CauseInputs}
	case complete(desired.Inputs) && SameInputs(desired.Inputs, in):
		return false
	case !complete(desired.Inputs):
		desired.Inputs = in // a new commit or a promotion, which has its own cause
	default:
		desired = desired.DeepCopy()
		desired.Inputs, desired.By, desired.Cause, desired.Run, desired.Promotion = in, "chart", v1alpha1.CauseInputs, "", ""
		if app.Spec.Source.Repository == "" {
			desired.Sequence++
		}
		app.Spec.Desired = desired
	}
	return true
}

// tell shows why inputs are not found, or that they are.
func (f *Follower) tell(ctx context.Context, app *v1alpha1.Application, err error) error {
	c := metav1.Condition{Type: ConditionInputs, Status: metav1.ConditionTrue, Reason: "Found", ObservedGeneration: app.Generation}
	if err != nil {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "NotFound", clip(err.Error())
	}
	before := app.DeepCopy()
	if !meta.SetStatusCondition(&app.Status.Conditions, c) {
		return nil
	}
	if err != nil && Waiting(app) != "" {
		app.Status.Sync, app.Status.Message = "OutOfSync", c.Message // nothing else happens until it is found
	}
	return client.IgnoreNotFound(f.Client.Status().Patch(ctx, app, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
}

func clip(s string) string {
	if len(s) > 1000 {
		return s[:1000] + "…"
	}
	return s
}

func (f *Follower) interval() time.Duration {
	d := f.Interval
	if d <= 0 {
		d = 5 * time.Minute
	}
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}

// Waiting says why there is no desired value that can be rendered yet, or "".
func Waiting(app *v1alpha1.Application) string {
	s := app.Spec.Source
	if c := meta.FindStatusCondition(app.Status.Conditions, ConditionSource); c != nil && app.Spec.Desired == nil {
		return c.Message
	}
	switch {
	case s.Helm == nil:
		return ""
	case app.Spec.Desired == nil && (s.Repository != "" || app.Spec.Sync == "manual"):
		return "" // it waits for a commit, or for somebody to ask
	case app.Spec.Desired != nil && complete(app.Spec.Desired.Inputs):
		return ""
	}
	if c := meta.FindStatusCondition(app.Status.Conditions, ConditionInputs); c != nil && c.Status == metav1.ConditionFalse {
		return c.Message
	}
	return "the chart and its values are being looked up"
}
