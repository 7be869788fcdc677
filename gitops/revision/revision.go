// Package revision owns what of its repository an Application follows: a branch, a tag,
// the highest tag in a range of versions, or one commit. It says which commit that is,
// whether it takes the place of what is desired, and in words why it is not there.
//
// It decides on what Repositories show and never reads one itself, but for the name of a
// commit, which it is given a way to look up. Start at In and Finder.Find.
package revision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/refs"
)

// Commits looks up the one commit of a repository whose object name begins with prefix.
// None is fs.ErrNotExist, and several are ErrAmbiguous.
type Commits func(ctx context.Context, namespace, repository, prefix string) (commit string, err error)

// ErrAmbiguous: several commits begin so.
var ErrAmbiguous = errors.New("ambiguous")

// Lost says why what is followed is not there, or that it is no more.
type Lost struct {
	// Reason in one word, as conditions have it.
	Reason, Message string
}

// Reasons of Lost.
const (
	BranchNotFound  = "BranchNotFound"
	TagNotFound     = "TagNotFound"
	TagDeleted      = "TagDeleted"
	NoTagMatches    = "NoTagMatches"
	CommitNotFound  = "CommitNotFound"
	CommitAmbiguous = "CommitAmbiguous"
	Invalid         = "InvalidRevision"
)

func lost(reason, format string, args ...any) *Lost {
	return &Lost{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Finder finds what applications follow in one repository, as that was seen once: its tags
// are read once for all of them.
type Finder struct {
	repo    *v1alpha1.Repository
	commits Commits
	// versions among the tags, the highest first.
	versions func() []tagged
}

// In a repository, which does not change while it is looked at. Without commits, those are
// known by their whole names only.
func In(repo *v1alpha1.Repository, commits Commits) *Finder {
	return &Finder{repo: repo, commits: commits, versions: sync.OnceValue(func() []tagged { return versions(repo) })}
}

// Find what an application follows. The value is nil where that is not there, which Lost
// explains. Both are given where it was deleted: the value is what is followed since, which
// is not to be desired by itself.
func (f *Finder) Find(ctx context.Context, app *v1alpha1.Application) (*v1alpha1.Desired, *Lost, error) {
	repo, s := f.repo, &app.Spec.Source
	if err := checkSource(s); err != nil {
		return nil, lost(Invalid, "%v", err), nil
	}
	switch {
	case s.Tag != "":
		found := at(repo, v1alpha1.TagRef(s.Tag))
		if found != nil {
			return found, nil, nil
		}
		return nil, noTag(repo, app), nil
	case s.Semver != "":
		found, why := f.highest(app)
		return found, why, nil
	case s.Commit != "":
		return f.commit(ctx, app)
	}
	branch := cmp.Or(s.Branch, repo.Status.DefaultBranch)
	if found := at(repo, heads+branch); found != nil {
		return found, nil, nil
	}
	return nil, noBranch(repo, s, branch), nil
}

const (
	heads = "refs/heads/"
	tags  = "refs/tags/"
)

// at is what a ref of the repository stands for; nil while there is none.
func at(repo *v1alpha1.Repository, name string) *v1alpha1.Desired {
	ref, ok := repo.Status.Refs[name]
	if !ok || ref.Commit == "" {
		return nil
	}
	return &v1alpha1.Desired{Commit: ref.Commit, Sequence: ref.Sequence, Revision: name, By: cmp.Or(ref.By, ref.Via), Cause: v1alpha1.CausePush}
}

// commit by its name. It has the number of the newest update: nothing that was pushed
// before somebody chose it is newer.
func (f *Finder) commit(ctx context.Context, app *v1alpha1.Application) (*v1alpha1.Desired, *Lost, error) {
	repo, prefix := f.repo, app.Spec.Source.Commit
	whole := prefix
	switch have := app.Spec.Desired; {
	case have != nil && have.Revision == have.Commit && strings.HasPrefix(have.Commit, prefix):
		// Once it is known what is meant, nothing that is pushed later changes that.
		return have.DeepCopy(), nil, nil
	case f.commits == nil:
		if len(prefix) != 40 {
			return nil, lost(CommitNotFound, "repository %s: commit %s is not looked up here; give its whole name", repo.Name, prefix), nil
		}
	default:
		var err error
		whole, err = f.commits(ctx, repo.Namespace, repo.Name, prefix)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, lost(CommitNotFound, "repository %s: commit %s not found; it has what its branches and tags lead to", repo.Name, prefix), nil
		case errors.Is(err, ErrAmbiguous):
			return nil, lost(CommitAmbiguous, "repository %s: several commits begin with %s; give more digits", repo.Name, prefix), nil
		case err != nil:
			return nil, nil, err
		}
	}
	return &v1alpha1.Desired{Commit: whole, Sequence: repo.Status.Sequence, Revision: whole, Cause: v1alpha1.CauseRevision}, nil, nil
}

// Takes says whether found, which is followed now, is to be desired in place of what is. A
// branch that did not change hands goes by its numbers, as an older push never replaces a
// newer one; what else is followed goes by what it is.
func Takes(app *v1alpha1.Application, found *v1alpha1.Desired) bool {
	have := app.Spec.Desired
	if have == nil {
		return true
	}
	s := &app.Spec.Source
	switch {
	case Chosen(app, found):
		return true
	case have.Revision == found.Revision && s.Fixed():
		return have.Commit != found.Commit // a tag that was moved
	case s.Semver != "" && higher(found.Tag(), have.Tag()):
		return true
	}
	return found.Sequence > have.Sequence && (s.Fixed() || have.Commit != found.Commit)
}

// Chosen says whether found comes by a change of what is followed, so that numbers of
// pushes say nothing: of another branch, to a tag or a commit and back, or to a range that
// the tag of before is not in.
func Chosen(app *v1alpha1.Application, found *v1alpha1.Desired) bool {
	have, s := app.Spec.Desired, &app.Spec.Source
	switch {
	case have == nil, have.Revision == found.Revision:
		return false
	case s.Semver != "":
		r, err := parseRange(s.Semver)
		before := versionOf(have.Tag())
		return err != nil || before == nil || !r.Check(before)
	}
	return s.Fixed() || have.Revision != ""
}

// Take makes found what is desired. The same commit by another name stays the value that it
// is, with its images, and is no new release.
func Take(app *v1alpha1.Application, found *v1alpha1.Desired) {
	have := app.Spec.Desired
	if have != nil && have.Commit == found.Commit {
		have.Revision, have.Sequence = found.Revision, found.Sequence
		return
	}
	d := found.DeepCopy()
	if have != nil && d.Inputs == nil {
		d.Inputs = have.Inputs // until other ones are found
	}
	app.Spec.Desired = d
}

// Moved says whether the tag that is desired is another commit now.
func Moved(app *v1alpha1.Application, found *v1alpha1.Desired) bool {
	have := app.Spec.Desired
	return have.Tag() != "" && have.Revision == found.Revision && have.Commit != found.Commit
}

// Offers says why a value that a run wrote for a revision is not what an application
// follows, in words that follow its name; empty: it is. Runs of branches serve those that
// follow one.
func Offers(app *v1alpha1.Application, ref, commit string) (why string) {
	s := &app.Spec.Source
	tag, ok := strings.CutPrefix(ref, tags)
	switch {
	case !s.Fixed():
		return ""
	case s.Commit != "":
		if !strings.HasPrefix(commit, s.Commit) {
			return "holds commit " + s.Commit
		}
		return ""
	case !ok, s.Tag != "" && s.Tag != tag:
		return "follows " + s.Followed()
	case s.Tag != "":
		return ""
	}
	r, err := parseRange(s.Semver)
	if err != nil {
		return "follows no tag: " + err.Error()
	}
	v := versionOf(tag)
	if v == nil || !r.Check(v) {
		return "follows " + s.Followed()
	}
	if before := versionOf(app.Spec.Desired.Tag()); before != nil && r.Check(before) && before.GreaterThan(v) {
		return fmt.Sprintf("follows %s, of which it has %s", s.Followed(), app.Spec.Desired.Tag())
	}
	return ""
}

func noBranch(repo *v1alpha1.Repository, s *v1alpha1.Source, branch string) *Lost {
	known := names(repo, heads)
	switch {
	case len(known) == 0 && s.Branch == "":
		return nil // nobody pushed to it yet
	case len(known) == 0:
		return lost(BranchNotFound, "repository %s: branch %q not found; it has no branch yet", repo.Name, branch)
	case !refs.Watched(&repo.Spec, heads+branch):
		return lost(BranchNotFound, "repository %s: branch %q is left out by its filters (spec.branches, spec.excludeBranches); known: %s", repo.Name, branch, Few(known))
	}
	return lost(BranchNotFound, "repository %s: branch %q not found; known: %s", repo.Name, branch, Few(known))
}
