package run

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
)

// hashKeys of caches by the files of the commit, so that a job need not have its source
// to know them. Where a checkout may differ from the commit, or a pattern chooses among
// files, the runner finds the hash in what it has checked out.
func (c *Controller) hashKeys(ctx context.Context, run *v1alpha1.Run, checkout *plan.Checkout, caches []wire.Cache) {
	if c.Source == nil || checkout.Strategy == "none" || checkout.Skip || checkout.Submodules != "" {
		return
	}
	for i := range caches {
		if len(caches[i].KeyFiles) > 0 {
			caches[i].Hash = c.keyHash(ctx, run, caches[i].KeyFiles)
		}
	}
}

// keyHash is empty where it is not sure to be the runner's.
func (c *Controller) keyHash(ctx context.Context, run *v1alpha1.Run, files []string) string {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
	var k wire.KeyHash
	for _, name := range slices.Compact(files) {
		if strings.ContainsAny(name, `*?[]{}\`) || !fs.ValidPath(name) || path.Clean(name) != name || name == "." {
			return ""
		}
		data, err := c.Source.File(ctx, run.Namespace, run.Spec.Repository, run.Spec.Commit, name)
		if errors.Is(err, fs.ErrNotExist) {
			there, err := c.Source.Exists(ctx, run.Namespace, run.Spec.Repository, run.Spec.Commit, name)
			if there || err != nil {
				return "" // a directory
			}
			continue
		}
		if err != nil {
			return ""
		}
		_, _ = k.Add(name, int64(len(data))).Write(data) // a hash takes all
	}
	if sum := k.Sum(); sum != wire.NoKeyFiles {
		return sum
	}
	return ""
}
