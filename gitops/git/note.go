package git

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/refs"
)

// noted is what a push says of one ref. It waits here until the update is recorded,
// which is later where the Kubernetes API is away.
type noted struct {
	hash string
	note v1alpha1.PushNote
}

// remember the note of a push for the refs that it sets.
func (h *Host) remember(rt route, p push, note v1alpha1.PushNote) {
	if note.NoRun == "" && len(note.Variables) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.notes == nil {
		h.notes = map[string]noted{}
	}
	for _, c := range p.commands {
		if c.new != zeroHash {
			h.notes[rt.ns+"/"+rt.name+" "+c.ref] = noted{c.new, note}
		}
	}
}

// forgetNotes of a repository: those of refs whose update is recorded, or was refused.
func (h *Host) forgetNotes(ns, name string, of func(ref string) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range h.notes {
		if ref, ok := strings.CutPrefix(key, ns+"/"+name+" "); ok && of(ref) {
			delete(h.notes, key)
		}
	}
}

// annotate adds to new updates what their push said of them, and why they start no run.
func (h *Host) annotate(ctx context.Context, repo *v1alpha1.Repository, disk map[string]ref, updates []Update) {
	for i := range updates {
		u := &updates[i]
		if u.Commit == "" {
			continue
		}
		h.mu.Lock()
		n := h.notes[repo.Namespace+"/"+repo.Name+" "+u.Ref]
		h.mu.Unlock()
		var note v1alpha1.PushNote
		if n.hash != "" && n.hash == disk[u.Ref].hash {
			note = *n.note.DeepCopy()
		}
		r := repo.Status.Refs[u.Ref]
		if ours := h.ours(ctx, repo, *u); ours != "" {
			note.NoRun, r.Via = ours, v1alpha1.ViaWriteBack
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
