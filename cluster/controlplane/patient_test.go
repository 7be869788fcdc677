package controlplane

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// roles is an authoriser that knows nothing until it is told.
type roles struct {
	authorizer.Authorizer
	known atomic.Bool
	asked atomic.Int32
}

func (r *roles) Authorize(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
	r.asked.Add(1)
	if r.known.Load() {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "no role", nil
}

func (r *roles) ConditionsAwareAuthorize(ctx context.Context, a authorizer.Attributes) authorizer.ConditionsAwareDecision {
	return authorizer.ConditionsAwareDecisionFromParts(r.Authorize(ctx, a))
}

func TestNobodyIsRefusedBeforeTheRolesAreRead(t *testing.T) {
	for name, ask := range map[string]func(p *patient, ctx context.Context) bool{
		"plain": func(p *patient, ctx context.Context) bool {
			d, _, _ := p.Authorize(ctx, nil)
			return d == authorizer.DecisionAllow
		},
		"with conditions": func(p *patient, ctx context.Context) bool { return p.ConditionsAwareAuthorize(ctx, nil).IsAllow() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, began := &roles{}, time.Now()
				p := &patient{Authorizer: r, read: r.known.Load}
				time.AfterFunc(time.Second, func() { r.known.Store(true) })
				if !ask(p, t.Context()) {
					t.Error("refused although its role was read a second later")
				}
				if took := time.Since(began); took < time.Second || took > time.Second+2*lookEach {
					t.Errorf("took %v", took)
				}
				// From then on a refusal is one, at once.
				r.known.Store(false)
				began, asked := time.Now(), r.asked.Load()
				if ask(p, t.Context()) || time.Since(began) != 0 || r.asked.Load() != asked+1 {
					t.Errorf("a refusal took %v and was asked for %d times", time.Since(began), r.asked.Load()-asked)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				r, began := &roles{}, time.Now()
				if ask(&patient{Authorizer: r, read: r.known.Load}, t.Context()) || time.Since(began) != patience {
					t.Errorf("what is never read was waited for %v", time.Since(began))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began = time.Now()
				if ask(&patient{Authorizer: r, read: r.known.Load}, ctx) || time.Since(began) != time.Second {
					t.Errorf("who gives up was kept for %v", time.Since(began))
				}
			})
		})
	}
}
