package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

// maxOpenRequests are named to a pipeline, as in GitLab.
const maxOpenRequests = 4

// openRequests are the open merge requests of a branch of the repository itself.
func openRequests(repo *v1alpha1.Repository, ref string) (out []string) {
	branch, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok {
		return nil
	}
	for i := range repo.Status.MergeRequests {
		m := &repo.Status.MergeRequests[i]
		if m.Open() && !m.Fork && m.Source == branch && len(out) < maxOpenRequests {
			out = append(out, fmt.Sprintf("%s/%s!%d", repo.Namespace, repo.Name, m.Number))
		}
	}
	return out
}

// Baser is a Source that knows where two histories part.
type Baser interface {
	// MergeBase is the youngest commit that both reach; fs.ErrNotExist: there is none.
	MergeBase(ctx context.Context, namespace, repository, commit, other string) (string, error)
}

// mergeBase of the commit of a run and the branch that it is to be merged into; empty
// where they have nothing in common, or that branch is not there.
func (d *Detector) mergeBase(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository) (string, error) {
	source, ok := d.Source.(Baser)
	if !ok {
		return "", nil
	}
	base, err := source.MergeBase(ctx, run.Namespace, repo.Name, run.Spec.Commit, run.Spec.Target)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return base, err
}
