package git

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/refs"
)

// annotate adds to new updates what their push said of them, and why they start no run.
func (h *Host) annotate(ctx context.Context, repo *v1alpha1.Repository, disk map[string]ref, updates []Update, notes []said) {
	for i := range updates {
		u := &updates[i]
		if u.Commit == "" {
			continue
		}
		var note v1alpha1.PushNote
		r := repo.Status.Refs[u.Ref]
		for _, n := range notes {
			if n.Refs[u.Ref] == disk[u.Ref].hash {
				note = *n.Note.DeepCopy()
				if r.By == "" {
					r.By = n.By
				}
			}
		}
		if ours := h.ours(ctx, repo, *u); ours != "" {
			note.NoRun, r.Via = ours, v1alpha1.ViaWriteBack
		}
		if note.NoRun == "" && repo.Spec.Pushes == "none" {
			note.NoRun = "spec.pushes is none"
		}
		if note.NoRun == "" {
			note.NoRun = h.outside(ctx, repo, *u)
		}
		u.NoRun = note.NoRun
		r.PushNote = note
		repo.Status.Refs[u.Ref] = r
	}
}

// outside says why an update of a branch is none of spec.paths' business, or nothing. A
// new branch is compared with the default branch, from where it left that. What cannot
// be told, runs.
func (h *Host) outside(ctx context.Context, repo *v1alpha1.Repository, u Update) string {
	if len(repo.Spec.Paths) == 0 || !strings.HasPrefix(u.Ref, "refs/heads/") {
		return ""
	}
	from := u.Before
	if from == "" {
		main := repo.Spec.DefaultBranch
		if main == "" {
			main = repo.Status.DefaultBranch
		}
		if from = "refs/heads/" + main; main == "" || from == u.Ref {
			return ""
		}
	}
	files, err := h.Changed(ctx, repo.Namespace, repo.Name, u.Commit, from)
	if err != nil {
		if !errors.Is(err, ErrNotFound) && ctx.Err() == nil {
			h.Log.Warn("changes of a push not known; its run starts", "namespace", repo.Namespace, "repository", repo.Name, "ref", u.Ref, "error", err)
		}
		return ""
	}
	if refs.Concerns(&repo.Spec, files) {
		return ""
	}
	return fmt.Sprintf("none of the %d files that changed is in spec.paths", len(files))
}
