package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Limits of runs that start one another, as GitLab has them but for maxUpstream.
const (
	// maxNested is how deep children have children of their own.
	maxNested = 2
	// maxTurns is how often a chain of runs comes by one branch of one repository.
	maxTurns = 2
	// maxUpstream is how long such a chain is.
	maxUpstream = 20
	// maxFamily is how many runs lead to one first run.
	maxFamily = 1000
)

// lineage of the run that this one is about to start: what led to it, from the first run
// to this one. The error is a refusedError where that is too much.
func (c *Controller) lineage(ctx context.Context, run, child *v1alpha1.Run) ([]v1alpha1.Upstream, error) {
	var up []v1alpha1.Upstream
	if run.Spec.Parent != nil {
		up = slices.Clone(run.Spec.Parent.Upstream)
	}
	up = append(up, v1alpha1.Upstream{Run: run.Name, Repository: run.Spec.Repository, Ref: run.Spec.Ref, Cause: run.Spec.Cause})
	if err := tooDeep(up, child); err != nil {
		return nil, refusedError{err}
	}
	family := &v1alpha1.RunList{}
	err := c.List(ctx, family, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRootRun: up[0].Run}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	if len(family.Items) >= maxFamily {
		return nil, refusedError{fmt.Errorf("run %s and those that it led to have started %d runs; more than %d are not allowed", up[0].Run, len(family.Items), maxFamily)}
	}
	return up, nil
}

// tooDeep says which limit the child of a chain would exceed.
func tooDeep(up []v1alpha1.Upstream, child *v1alpha1.Run) error {
	if len(up) > maxUpstream {
		return fmt.Errorf("%s started one another; more than %d runs in a row are not allowed", chain(up, nil), maxUpstream)
	}
	if child.Spec.Cause == v1alpha1.RunCauseChild {
		nested := 0
		for i := len(up) - 1; i >= 0 && up[i].Cause == v1alpha1.RunCauseChild; i-- {
			nested++
		}
		if nested >= maxNested {
			return fmt.Errorf("a child of %s would be nested more than %d deep; move its jobs into that one", up[len(up)-1].Run, maxNested)
		}
		return nil
	}
	turns := 0
	for _, u := range up {
		if u.Cause != v1alpha1.RunCauseChild && u.Repository == child.Spec.Repository && u.Ref == child.Spec.Ref {
			turns++
		}
	}
	if turns >= maxTurns {
		return fmt.Errorf("repositories start runs of one another in a loop: %s; end it with a rule on $CI_PIPELINE_SOURCE", chain(up, child))
	}
	return nil
}

// chain of runs for people, of which a long one is cut.
func chain(up []v1alpha1.Upstream, child *v1alpha1.Run) string {
	var out []string
	for _, u := range up {
		out = append(out, u.Repository+" "+shortRef(u.Ref))
	}
	if child != nil {
		out = append(out, child.Spec.Repository+" "+shortRef(child.Spec.Ref))
	}
	if n := len(out) - 6; n > 0 {
		out = append([]string{"..."}, out[n:]...)
	}
	return strings.Join(out, " -> ")
}

// ancestor that a child, or a child of one, is of: the run that is a child itself no more.
// Nil: it is none.
func ancestor(run *v1alpha1.Run) *v1alpha1.Upstream {
	if run.Spec.Cause != v1alpha1.RunCauseChild || run.Spec.Parent == nil {
		return nil
	}
	for i := len(run.Spec.Parent.Upstream) - 1; i >= 0; i-- {
		if u := &run.Spec.Parent.Upstream[i]; u.Cause != v1alpha1.RunCauseChild {
			return u
		}
	}
	return nil
}

// eldest is the name of the run's ancestor, or its own.
func eldest(run *v1alpha1.Run) string {
	if first := ancestor(run); first != nil {
		return first.Run
	}
	return run.Name
}
