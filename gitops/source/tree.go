package source

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"slipway.dev/gitops/render"
)

// render renders the application's own directory alone where nothing in it leads out of
// it: a repository may be that of a thousand applications. What was looked at in vain, or
// anywhere else, then says whether that was enough; otherwise the whole commit is there.
func (w *work) render(ctx context.Context) (*render.Answer, error) {
	if dir := w.ownDirectory(ctx); dir != "" {
		answer, err := w.renderTree(ctx, dir)
		var refusal *render.Error
		switch {
		case err == nil && below(answer.Reads, dir):
			return answer, nil
		case err != nil && !errors.As(err, &refusal):
			return nil, err
		}
		// A refusal may be for want of a file, and has to be the same either way.
	}
	return w.renderTree(ctx, "")
}

// ownDirectory of the application within the commit, if it may be enough; else "".
func (w *work) ownDirectory(ctx context.Context) string {
	s := w.app.Spec.Source
	if w.fill != nil || s.Repository == "" || w.Cache == nil || w.Cache.Footprints == nil {
		return ""
	}
	dir := path.Clean(s.Path)
	if s.Path == "" {
		dir = "deploy"
	}
	if dir == "." || !filepath.IsLocal(dir) {
		return ""
	}
	if s.Helm != nil && slices.ContainsFunc(s.Helm.ValueFiles, func(f string) bool { return strings.HasPrefix(f, "/") || strings.Contains(f, "..") }) {
		return ""
	}
	found, err := w.Cache.Footprints(ctx, w.app.Namespace, s.Repository, w.desired.Commit, []string{dir})
	if err != nil || len(found) != 1 || found[0].Hash == "" || found[0].Outward {
		return ""
	}
	return dir
}

// below says whether all that was read is below a directory, or what was brought. That
// the directories above it are there is the same either way.
func below(reads []render.Read, dir string) bool {
	return !slices.ContainsFunc(reads, func(r render.Read) bool {
		under := func(d string) bool { return r.Path == d || strings.HasPrefix(r.Path, d+"/") }
		above := r.How == render.ReadStat && (r.Path == "." || strings.HasPrefix(dir, r.Path+"/"))
		return !under(dir) && !under(render.BroughtDir) && !above
	})
}

// renderTree fills a tree with one directory of the commit, or with all of it (""), and
// has it rendered, again as long as something is needed.
func (w *work) renderTree(ctx context.Context, only string) (*render.Answer, error) {
	dir, err := os.MkdirTemp(w.WorkDir, workPrefix)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w.dir = dir
	s := w.app.Spec.Source
	if w.fill != nil {
		if err := w.fill(dir); err != nil {
			return nil, err
		}
	} else if s.Repository != "" {
		into := filepath.Join(dir, only)
		if err := os.MkdirAll(into, 0o700); err != nil {
			return nil, err
		}
		if err := w.Repository.Checkout(ctx, w.app.Namespace, s.Repository, w.desired.Commit, into, only); err != nil {
			if ctx.Err() != nil || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EIO) {
				return nil, err
			}
			return nil, render.Refuse("", 0, "%v", err)
		}
	}
	// Ours alone: whatever a commit has there is not seen.
	if err := os.RemoveAll(filepath.Join(w.dir, render.BroughtDir)); err != nil {
		return nil, err
	}
	if w.req.Chart.Archive != "" {
		if err := w.bringChart(ctx); err != nil {
			return nil, err
		}
	}
	w.req.Brought, w.decrypted = map[string]string{}, map[string]bool{}
	for range maxRounds {
		if err := readable(w.dir); err != nil {
			return nil, err
		}
		answer, err := w.Child.Render(ctx, w.dir, w.req)
		if err != nil || len(answer.Needs) == 0 {
			return answer, err
		}
		if err := w.bring(ctx, answer.Needs); err != nil {
			return nil, err
		}
	}
	return nil, render.Refuse("", 0, "what is needed from elsewhere needs more from elsewhere, more than %d times over", maxRounds)
}
