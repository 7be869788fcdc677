package writeback

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/git"
)

// job is one commit to make.
type job struct {
	edit         git.Edit
	what         string
	release, pin int64
	missing      []string
}

// images of a healthy release, written into the manifests.
func (c *Controller) images(app *v1alpha1.Application, repo *v1alpha1.Repository, rel *v1alpha1.Release) *job {
	d := rel.Spec.Desired
	j := &job{release: rel.Spec.Number, what: fmt.Sprintf("images of release %d", rel.Spec.Number)}
	var b strings.Builder
	fmt.Fprintf(&b, "Images of %s as of release %d\n\n", app.Name, rel.Spec.Number)
	for _, i := range d.Images {
		fmt.Fprintf(&b, "%s@%s", i.Name, i.Digest)
		if i.Commit != "" {
			fmt.Fprintf(&b, " of commit %.12s", i.Commit)
		}
		b.WriteByte('\n')
	}
	j.edit = c.edit(app, repo, rel, b.String())
	j.edit.Change = func(t *git.Worktree) (err error) {
		j.missing, err = Images(t, directory(app), app.Spec.WriteBack.Files, d.Images)
		return err
	}
	return j
}

// revert to what a pinned release had, its digests with it.
func (c *Controller) revert(app *v1alpha1.Application, repo *v1alpha1.Repository, rel *v1alpha1.Release) *job {
	d := rel.Spec.Desired
	paths := app.Spec.WriteBack.Paths
	if len(paths) == 0 {
		paths = []string{directory(app)}
	}
	by := cmp.Or(oneLine(app.Spec.PinnedBy), "somebody")
	message := fmt.Sprintf("Revert %s to release %d\n\nPinned by %s. This restores %s as of commit %s.\n", app.Name, rel.Spec.Number, by, strings.Join(paths, ", "), d.Commit)
	j := &job{pin: rel.Spec.Number, what: fmt.Sprintf("revert to release %d", rel.Spec.Number), edit: c.edit(app, repo, rel, message)}
	j.edit.Change = func(t *git.Worktree) error {
		for _, p := range paths {
			if err := t.Restore(p, d.Commit); err != nil {
				return err
			}
		}
		if len(d.Images) == 0 {
			return nil
		}
		var err error
		j.missing, err = Images(t, directory(app), app.Spec.WriteBack.Files, d.Images)
		return err
	}
	return j
}

func (c *Controller) edit(app *v1alpha1.Application, repo *v1alpha1.Repository, rel *v1alpha1.Release, message string) git.Edit {
	return git.Edit{
		Namespace: app.Namespace, Repository: repo.Name, Branch: branch(app, repo), From: rel.Spec.Desired.Commit,
		Message: fmt.Sprintf("%s\n[skip ci]\n%s%s/%s\nSlipway-Release: %d\n", message, v1alpha1.WriteBackTrailer, app.Namespace, app.Name, rel.Spec.Number),
	}
}

// branch that is written to, and followed where nothing else is said.
func branch(app *v1alpha1.Application, repo *v1alpha1.Repository) string {
	return cmp.Or(app.Spec.WriteBack.Branch, app.Spec.Source.Branch, repo.Status.DefaultBranch)
}

func directory(app *v1alpha1.Application) string {
	return path.Clean(cmp.Or(app.Spec.Source.Path, "deploy"))
}
