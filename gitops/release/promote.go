package release

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/cluster/api/v1alpha1"
)

// Promotions takes what healthy releases consist of from one application to another,
// after as many approvals as that one asks for. promotion.go has its controller.
type Promotions struct {
	Client client.Client
	// Reader reads uncached.
	Reader client.Reader
	Events events.EventRecorder
	Log    *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// keptPromotions of one application, beside those that are pending.
const keptPromotions = 50

// Person is who approves.
type Person struct {
	Name   string
	Groups []string
}

// Promote asks for a release of from, 0 for the last healthy one, to become what is
// desired of to. It is refused at once where it could never be.
func (p *Promotions) Promote(ctx context.Context, namespace, from, to string, release int64, by string) (*v1alpha1.Promotion, error) {
	source, target := &v1alpha1.Application{}, &v1alpha1.Application{}
	for name, app := range map[string]*v1alpha1.Application{from: source, to: target} {
		if err := p.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, app); err != nil {
			return nil, err
		}
	}
	if release == 0 {
		if release = source.Status.Healthy; release == 0 {
			return nil, refused("application %s: no release was healthy yet", from)
		}
	}
	if _, err := p.candidate(ctx, source, target, release); err != nil {
		return nil, err
	}
	for {
		n, err := p.next(ctx, target)
		if err != nil {
			return nil, err
		}
		promotion := &v1alpha1.Promotion{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: fmt.Sprintf("%s-p%d", to, n), Labels: map[string]string{v1alpha1.LabelApplication: to},
			},
			Spec: v1alpha1.PromotionSpec{From: from, Release: release, To: to, By: by},
		}
		if err := controllerutil.SetControllerReference(target, promotion, p.Client.Scheme()); err != nil {
			return nil, err
		}
		if err := p.Client.Create(ctx, promotion); !apierrors.IsAlreadyExists(err) {
			return promotion, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// next number of a promotion to the application.
func (p *Promotions) next(ctx context.Context, to *v1alpha1.Application) (int64, error) {
	list, err := p.list(ctx, to.Namespace, to.Name)
	if err != nil {
		return 0, err
	}
	var highest int64
	for _, item := range list {
		highest = max(highest, promotionNumber(&item))
	}
	return highest + 1, nil
}

func promotionNumber(item *v1alpha1.Promotion) int64 {
	var n int64
	if rest, ok := strings.CutPrefix(item.Name, item.Spec.To+"-p"); ok {
		_, _ = fmt.Sscan(rest, &n)
	}
	return n
}

func (p *Promotions) list(ctx context.Context, namespace, to string) ([]v1alpha1.Promotion, error) {
	list := &v1alpha1.PromotionList{}
	if err := p.Reader.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelApplication: to}); err != nil {
		return nil, err
	}
	sort.Slice(list.Items, func(i, j int) bool { return promotionNumber(&list.Items[i]) > promotionNumber(&list.Items[j]) })
	return list.Items, nil
}

// candidate is the release if it may be promoted, by the rules that no approval changes.
func (p *Promotions) candidate(ctx context.Context, from, to *v1alpha1.Application, n int64) (*v1alpha1.Release, error) {
	policy := to.Spec.Promotion
	switch {
	case policy == nil:
		return nil, refused("application %s takes no promotions; set its spec.promotion.from to %s", to.Name, from.Name)
	case policy.From != from.Name:
		return nil, refused("application %s takes promotions from %s, not from %s", to.Name, policy.From, from.Name)
	case to.Name == from.Name:
		return nil, refused("application %s cannot be promoted to itself", to.Name)
	case to.Spec.Sync != "manual":
		return nil, refused("application %s: its sync is %q, which would overwrite what is promoted; set spec.sync to manual", to.Name, to.Spec.Sync)
	case to.Spec.Source.Fixed():
		return nil, refused("application %s follows %s; what is promoted to it is said by the promotion alone, so leave that out of its spec.source", to.Name, to.Spec.Source.Followed())
	case to.Spec.Source.Repository != from.Spec.Source.Repository:
		return nil, refused("application %s follows repository %s, and %s follows %s; a commit can only be promoted within one repository",
			to.Name, to.Spec.Source.Repository, from.Name, from.Spec.Source.Repository)
	case !to.DeletionTimestamp.IsZero():
		return nil, refused("application %s is being deleted", to.Name)
	}
	rel := &v1alpha1.Release{}
	err := p.Reader.Get(ctx, types.NamespacedName{Namespace: from.Namespace, Name: Name(from.Name, n)}, rel)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(rel, from) {
		return nil, refused("application %s: release %d is not in the history; see `slipway app history %s`", from.Name, n, from.Name)
	}
	if err != nil {
		return nil, err
	}
	if rel.Status.Result != v1alpha1.ReleaseHealthy {
		result := string(rel.Status.Result)
		if result == "" {
			result = "just beginning"
		}
		return nil, refused("application %s: release %d is %s; only what was healthy there is promoted", from.Name, n, result)
	}
	return rel, nil
}

// Approve a promotion. RBAC has let the person approve promotions of this namespace; the
// application may narrow that, and who asked for it is not asked.
func (p *Promotions) Approve(ctx context.Context, namespace, name string, who Person) error {
	return p.decide(ctx, namespace, name, func(promotion *v1alpha1.Promotion, to *v1alpha1.Application) error {
		if err := mayApprove(promotion, to, who); err != nil {
			return err
		}
		promotion.Status.Approvals = append(promotion.Status.Approvals, v1alpha1.Approval{By: who.Name, At: metav1.NewTime(p.now())})
		p.event(to, "PromotionApproved", "promotion %s is approved by %s", promotion.Name, who.Name)
		return nil
	})
}

func mayApprove(promotion *v1alpha1.Promotion, to *v1alpha1.Application, who Person) error {
	if who.Name == promotion.Spec.By {
		return refused("promotion %s: %s asked for it; somebody else has to approve it", promotion.Name, who.Name)
	}
	for _, a := range promotion.Status.Approvals {
		if a.By == who.Name {
			return refused("promotion %s: %s has approved it already", promotion.Name, who.Name)
		}
	}
	if policy := to.Spec.Promotion; policy != nil && policy.Approvers != nil {
		allowed := slices.Contains(policy.Approvers.Users, who.Name)
		for _, g := range who.Groups {
			allowed = allowed || slices.Contains(policy.Approvers.Groups, g)
		}
		if !allowed {
			return refused("promotion %s: %s is not among the approvers of application %s: %s", promotion.Name, who.Name, to.Name,
				strings.Join(append(slices.Clone(policy.Approvers.Users), policy.Approvers.Groups...), ", "))
		}
	}
	return nil
}

// Reject ends a promotion that is pending.
func (p *Promotions) Reject(ctx context.Context, namespace, name string, who Person) error {
	return p.decide(ctx, namespace, name, func(promotion *v1alpha1.Promotion, to *v1alpha1.Application) error {
		s := &promotion.Status
		s.RejectedBy = who.Name
		p.finish(promotion, v1alpha1.PromotionRejected, "rejected by "+who.Name)
		p.event(to, "PromotionRejected", "promotion %s is rejected by %s", promotion.Name, who.Name)
		return nil
	})
}

// Pending is the name of the one promotion that waits for approval of an application.
func (p *Promotions) Pending(ctx context.Context, namespace, to string) (string, error) {
	list, err := p.list(ctx, namespace, to)
	if err != nil {
		return "", err
	}
	var names []string
	for _, item := range list {
		if !item.Status.Phase.Finished() {
			names = append(names, item.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", refused("application %s: no promotion waits for approval", to)
	case 1:
		return names[0], nil
	}
	return "", refused("application %s: several promotions wait for approval; name one of %s", to, strings.Join(names, ", "))
}

// decide changes the status of a pending promotion, again if somebody else did meanwhile.
func (p *Promotions) decide(ctx context.Context, namespace, name string, do func(*v1alpha1.Promotion, *v1alpha1.Application) error) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		promotion, to := &v1alpha1.Promotion{}, &v1alpha1.Application{}
		if err := p.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, promotion); err != nil {
			return err
		}
		if promotion.Status.Phase.Finished() {
			return refused("promotion %s is %s already: %s", name, promotion.Status.Phase, promotion.Status.Message)
		}
		if err := p.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: promotion.Spec.To}, to); err != nil {
			return err
		}
		if err := do(promotion, to); err != nil {
			return err
		}
		return p.Client.Status().Update(ctx, promotion)
	})
}

func (p *Promotions) finish(promotion *v1alpha1.Promotion, phase v1alpha1.PromotionPhase, message string) {
	now := metav1.NewTime(p.now())
	promotion.Status.Phase, promotion.Status.Message, promotion.Status.FinishedAt = phase, oneLine(message), &now
}

func (p *Promotions) event(app *v1alpha1.Application, reason, format string, args ...any) {
	if p.Events != nil {
		p.Events.Eventf(app, nil, corev1.EventTypeNormal, reason, "Promotion", "%s", oneLine(fmt.Sprintf(format, args...)))
	}
}

func (p *Promotions) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}
