package release

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
)

// SetupWithManager watches Promotions, and the applications that they go to: a newer
// value there overtakes what is pending, and a changed policy counts at once.
func (p *Promotions) SetupWithManager(m ctrl.Manager) error {
	pending := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		if o.(*v1alpha1.Application).Spec.Promotion == nil {
			return nil
		}
		list := &v1alpha1.PromotionList{}
		if err := p.Client.List(ctx, list, client.InNamespace(o.GetNamespace()), client.MatchingLabels{v1alpha1.LabelApplication: o.GetName()}); err != nil {
			return nil
		}
		var out []reconcile.Request
		for i := range list.Items {
			if !list.Items[i].Status.Phase.Finished() {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
			}
		}
		return out
	})
	return ctrl.NewControllerManagedBy(m).Named("promotion").
		For(&v1alpha1.Promotion{}).
		Watches(&v1alpha1.Application{}, pending, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(p)
}

// Reconcile takes one promotion as far as it may go. What is promoted is written down
// before it is waited for; it is desired before the promotion says that it is, so that a
// crash in between repeats the same.
func (p *Promotions) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	promotion := &v1alpha1.Promotion{}
	if err := p.Reader.Get(ctx, req.NamespacedName, promotion); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if promotion.Status.Phase.Finished() || !promotion.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	before := promotion.Status.DeepCopy()
	if err := p.advance(ctx, promotion); err != nil {
		return ctrl.Result{}, err
	}
	if equality.Semantic.DeepEqual(before, &promotion.Status) {
		return ctrl.Result{}, nil
	}
	err := p.Client.Status().Update(ctx, promotion)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil // somebody approved meanwhile
	}
	if err == nil && promotion.Status.Phase.Finished() {
		p.Log.Info("promotion", "namespace", promotion.Namespace, "promotion", promotion.Name, "phase", promotion.Status.Phase, "message", promotion.Status.Message)
		err = p.trim(ctx, promotion)
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

func (p *Promotions) advance(ctx context.Context, promotion *v1alpha1.Promotion) error {
	s := &promotion.Status
	from, to := &v1alpha1.Application{}, &v1alpha1.Application{}
	for name, app := range map[string]*v1alpha1.Application{promotion.Spec.From: from, promotion.Spec.To: to} {
		err := p.Reader.Get(ctx, types.NamespacedName{Namespace: promotion.Namespace, Name: name}, app)
		if apierrors.IsNotFound(err) {
			p.finish(promotion, v1alpha1.PromotionRefused, fmt.Sprintf("application %s does not exist", name))
			return nil
		}
		if err != nil {
			return err
		}
	}
	if s.Desired == nil {
		rel, err := p.candidate(ctx, from, to, promotion.Spec.Release)
		if err != nil {
			return p.refuse(promotion, err)
		}
		d := rel.Spec.Desired.DeepCopy()
		if d.Inputs != nil {
			d.Inputs.Values = "" // the chart is promoted, the values are the application's own
		}
		d.By, d.Cause, d.Promotion, d.Manual = promotion.Spec.By, v1alpha1.CausePromotion, promotion.Name, false
		s.Desired, s.Phase = d, v1alpha1.PromotionPending
		p.event(to, "PromotionAsked", "%s asks for release %d of %s", promotion.Spec.By, promotion.Spec.Release, from.Name)
	}
	policy := to.Spec.Promotion
	if policy == nil || policy.From != from.Name {
		p.finish(promotion, v1alpha1.PromotionRefused, fmt.Sprintf("application %s takes no promotions from %s any more", to.Name, from.Name))
		return nil
	}
	if why := overtaken(to, *s.Desired); why != "" {
		p.finish(promotion, v1alpha1.PromotionRefused, why)
		return nil
	}
	if s.Required = policy.Approvals; len(s.Approvals) < s.Required {
		s.Message = fmt.Sprintf("waits for %d of %d approvals; `slipway app approve %s`", s.Required-len(s.Approvals), s.Required, to.Name)
		return nil
	}
	if why, err := p.write(ctx, to, *s.Desired); why != "" || err != nil {
		if err == nil {
			p.finish(promotion, v1alpha1.PromotionRefused, why)
		}
		return err
	}
	message := fmt.Sprintf("commit %.12s is desired of %s", s.Desired.Commit, to.Name)
	if to.Spec.Pin > 0 {
		message += fmt.Sprintf(", which is pinned to release %d", to.Spec.Pin)
	}
	p.finish(promotion, v1alpha1.PromotionPromoted, message)
	p.event(to, "Promoted", "release %d of %s, by %s", promotion.Spec.Release, from.Name, promotion.Spec.By)
	return nil
}

// refuse finishes a promotion that a rule forbids; other errors are of the moment.
func (p *Promotions) refuse(promotion *v1alpha1.Promotion, err error) error {
	if !apierrors.IsBadRequest(err) {
		return err
	}
	p.finish(promotion, v1alpha1.PromotionRefused, err.Error())
	return nil
}

// overtaken says why something that is desired already keeps d from being so, or "". A
// value that failed its health holds nothing up.
func overtaken(to *v1alpha1.Application, d v1alpha1.Desired) string {
	have := to.Spec.Desired
	if have == nil || have.Sequence <= d.Sequence {
		return ""
	}
	if refused := to.Status.Refused; refused != nil && same(*refused, *have) {
		return ""
	}
	return fmt.Sprintf("a newer value, commit %.12s, is desired of %s already; go back with `slipway app rollback %s`", have.Commit, to.Name, to.Name)
}

// write makes d the desired value of the application, unless it was overtaken.
func (p *Promotions) write(ctx context.Context, to *v1alpha1.Application, d v1alpha1.Desired) (why string, err error) {
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		app := &v1alpha1.Application{}
		if err := p.Reader.Get(ctx, client.ObjectKeyFromObject(to), app); err != nil {
			return err
		}
		if app.Spec.Desired != nil && app.Spec.Desired.Promotion == d.Promotion {
			return nil
		}
		if why = overtaken(app, d); why != "" {
			return nil
		}
		app.Spec.Desired = d.DeepCopy()
		if refused := app.Status.Refused; refused != nil && same(*refused, d) {
			app.Spec.Retry = d.Promotion // asked for again, by people
		}
		return p.Client.Update(ctx, app)
	})
	return why, err
}

// trim removes the oldest finished promotions of an application.
func (p *Promotions) trim(ctx context.Context, promotion *v1alpha1.Promotion) error {
	list, err := p.list(ctx, promotion.Namespace, promotion.Spec.To)
	if err != nil {
		return err
	}
	kept := 0
	for i := range list { // newest first
		if !list[i].Status.Phase.Finished() {
			continue
		}
		if kept++; kept > keptPromotions {
			if err := p.Client.Delete(ctx, &list[i]); client.IgnoreNotFound(err) != nil {
				return err
			}
		}
	}
	return nil
}
