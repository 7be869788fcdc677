package jobapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/submodule"
)

// Submodules finds those of a commit. One that a job may not have is a
// *submodule.RefusedError.
type Submodules interface {
	Submodules(ctx context.Context, namespace, repository, commit string, of plan.Checkout) ([]submodule.Found, error)
}

// submodules that the job asks for: which there are, and what one of them holds.
func (c *call) submodules(rest string) {
	if c.job.Checkout.Submodules == "" || c.Submodules == nil {
		c.answer([]wire.Submodule{})
		return
	}
	found, err := c.Submodules.Submodules(c.r.Context(), c.ref.Namespace, c.job.Repository, c.job.Commit, c.job.Checkout)
	var refused *submodule.RefusedError
	if errors.As(err, &refused) {
		fail(c.w, http.StatusForbidden, err.Error())
		return
	}
	if err != nil {
		c.refuse(c.w, c.ref, err)
		return
	}
	if rest == "/submodules" {
		list := []wire.Submodule{}
		for _, f := range found {
			list = append(list, wire.Submodule{Path: f.Path, Parent: f.Parent, Name: f.Name, URL: f.URL, Commit: f.Commit})
		}
		c.answer(list)
		return
	}
	i, err := strconv.Atoi(strings.TrimPrefix(rest, "/submodules/"))
	if err != nil || i < 0 || i >= len(found) {
		fail(c.w, http.StatusNotFound, "no such submodule")
		return
	}
	c.snapshot(Snapshot{Namespace: c.ref.Namespace, Repository: found[i].Repository, Commit: found[i].Commit, Depth: c.job.Checkout.SubmoduleDepth})
}

// snapshot is the answer.
func (c *call) snapshot(s Snapshot) {
	c.w.Header().Set("Content-Type", "application/zstd")
	out := &counted{ResponseWriter: c.w}
	if err := c.Source.Snapshot(c.r.Context(), s, out); err != nil {
		if out.n > 0 {
			panic(http.ErrAbortHandler)
		}
		c.refuse(c.w, c.ref, err)
	}
}
