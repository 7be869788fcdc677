package run

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/submodule"
)

var _ jobapi.Submodules = (*Controller)(nil)

// Submodules implements jobapi.Submodules.
func (c *Controller) Submodules(ctx context.Context, namespace, repository, commit string, of plan.Checkout) ([]submodule.Found, error) {
	if c.Modules == nil {
		return nil, nil
	}
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: repository}, repo); err != nil {
		return nil, err
	}
	return c.Modules.Find(ctx, repo, commit, of.Submodules == "recursive", of.SubmodulePaths)
}

// submodules that the jobs of a plan ask for and cannot have are told before any starts.
func (d *Detector) submodules(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository, p *plan.Plan) ([]v1alpha1.Problem, error) {
	var out []v1alpha1.Problem
	var seen []plan.Checkout
	for i := range p.Jobs {
		j := &p.Jobs[i]
		k := plan.Checkout{Submodules: j.Checkout.Submodules, SubmodulePaths: j.Checkout.SubmodulePaths}
		known := slices.ContainsFunc(seen, func(o plan.Checkout) bool {
			return o.Submodules == k.Submodules && slices.Equal(o.SubmodulePaths, k.SubmodulePaths)
		})
		if k.Submodules == "" || j.Checkout.Strategy != "" || d.Modules == nil || known {
			continue
		}
		seen = append(seen, k)
		found, err := d.Modules.Find(ctx, repo, run.Spec.Commit, k.Submodules == "recursive", k.SubmodulePaths)
		if err == nil && len(found) > 0 && untrusted(run) {
			err = &submodule.RefusedError{Path: found[0].Path, Reason: "the merge request of a fork reads no other repository", Hint: "leave GIT_SUBMODULE_STRATEGY out in its pipelines"}
		}
		var refused *submodule.RefusedError
		if !errors.As(err, &refused) {
			if err != nil {
				return nil, fmt.Errorf("submodules: %w", err)
			}
			continue
		}
		hint := refused.Hint
		refused.Hint = ""
		out = append(out, v1alpha1.Problem{File: submodule.File, Rule: "submodule", Message: fmt.Sprintf("job %q: %v", j.Name, refused), Hint: hint})
	}
	return out, nil
}

// Reader is the repository whose job the attempt is, while it runs. One that is not
// trusted, the merge request of a fork, reads no other.
func (c *Controller) Reader(ctx context.Context, ref jobapi.Ref) (namespace, repository string, trusted bool, err error) {
	run, _, _, _, err := c.find(ctx, ref)
	if err != nil {
		return "", "", false, err
	}
	return run.Namespace, run.Spec.Repository, !untrusted(run), nil
}
