// Package protection owns the answer to which refs of a repository are protected, and
// whether a run is one of a protected ref. It never looks at who asks: whoever may
// push to a protected ref may use what is kept for it. Start at Of.
package protection

import (
	"context"
	"slices"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/pattern"
	"slipway.dev/cluster/refs"
)

// Ref says whether a full ref name is protected: by a rule of spec.protect that names
// who may push to it, by spec.protected, or, where that is empty, because it is the
// default branch. A rule that lets everybody push protects nothing here.
func Ref(repo *v1alpha1.Repository, ref string) bool {
	if r := refs.Rule(&repo.Spec, ref); r != nil && r.Pushers != nil {
		return true
	}
	name, branch := strings.CutPrefix(ref, "refs/heads/")
	if !branch {
		tag, ok := strings.CutPrefix(ref, "refs/tags/")
		if !ok {
			return false
		}
		name = tag
	}
	if len(repo.Spec.Protected) == 0 {
		return branch && name != "" && name == DefaultBranch(repo)
	}
	return slices.ContainsFunc(repo.Spec.Protected, func(p string) bool { return pattern.Match(p, name) })
}

// DefaultBranch of the repository by its short name, empty where there is none yet.
func DefaultBranch(repo *v1alpha1.Repository) string {
	if repo.Spec.DefaultBranch != "" {
		return repo.Spec.DefaultBranch
	}
	return repo.Status.DefaultBranch
}

// Reachable says whether commit is tip or one of its ancestors.
type Reachable func(ctx context.Context, namespace, repository, tip, commit string) (bool, error)

// Of says whether the run is one of a protected ref: its ref is, and its commit is on
// it. Without the second, who may make a Run could name a protected ref and a commit
// of their own.
func Of(ctx context.Context, repo *v1alpha1.Repository, run *v1alpha1.Run, reachable Reachable) (bool, error) {
	if !Ref(repo, run.Spec.Ref) {
		return false, nil
	}
	return On(ctx, repo, run, reachable)
}

// On says whether the commit of the run is on the ref that it names.
func On(ctx context.Context, repo *v1alpha1.Repository, run *v1alpha1.Run, reachable Reachable) (bool, error) {
	tip := repo.Status.Refs[run.Spec.Ref].Commit
	if tip == "" || tip == run.Spec.Commit {
		return tip != "", nil
	}
	return reachable(ctx, repo.Namespace, repo.Name, tip, run.Spec.Commit)
}
