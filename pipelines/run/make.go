package run

import (
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/protection"
)

// ForRef makes, but does not store, a run without name and cause of what ref (a full or
// short name, or empty for the default branch) points to.
func ForRef(repo *v1alpha1.Repository, ref string) (*v1alpha1.Run, error) {
	if ref == "" {
		ref = protection.DefaultBranch(repo)
	}
	for _, full := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref} {
		if s, ok := repo.Status.Refs[full]; ok && s.Commit != "" {
			return newRun(repo, full, s), nil
		}
	}
	var known []string
	for name := range repo.Status.Refs {
		known = append(known, strings.TrimPrefix(name, "refs/heads/"))
	}
	slices.Sort(known)
	return nil, apierrors.NewBadRequest(fmt.Sprintf("repository %s: %q not found; known: %s", repo.Name, ref, strings.Join(known, ", ")))
}
