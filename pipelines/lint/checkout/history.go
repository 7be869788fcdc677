package checkout

import (
	"cmp"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"slipway.dev/pipelines/gitlab"
)

// Changed implements gitlab.Files: what differs between from and the work tree.
func (t *Tree) Changed(from string) ([]string, error) {
	if t.repo == nil {
		return nil, fmt.Errorf("%s: %s is no Git repository: %w", from, t.Dir, fs.ErrNotExist)
	}
	head, err := t.head()
	if err != nil {
		return nil, err
	}
	base, err := t.base(from, head)
	if err != nil {
		return nil, err
	}
	old, err := base.Tree()
	if err != nil {
		return nil, err
	}
	now, err := head.Tree()
	if err != nil {
		return nil, err
	}
	diff, err := old.Diff(now)
	if err != nil {
		return nil, fmt.Errorf("compare with %s: %w", from, err)
	}
	var out []string
	for _, c := range diff {
		out = append(out, cmp.Or(c.To.Name, c.From.Name))
		if c.To.Name != "" && c.From.Name != "" && c.To.Name != c.From.Name {
			out = append(out, c.From.Name)
		}
	}
	status, err := t.changes()
	if err != nil {
		return nil, err
	}
	for name, s := range status {
		if s.Worktree != git.Unmodified || s.Staging != git.Unmodified {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// base is the commit that from names; for a branch or tag, where it parted from head.
func (t *Tree) base(from string, head *object.Commit) (*object.Commit, error) {
	name := short(from)
	for _, full := range []string{"refs/heads/" + name, "refs/remotes/origin/" + name, "refs/tags/" + name} {
		hash, err := t.repo.ResolveRevision(plumbing.Revision(full))
		if err != nil {
			continue
		}
		c, err := t.repo.CommitObject(*hash)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", full, err)
		}
		bases, err := head.MergeBase(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", full, err)
		}
		if len(bases) == 0 {
			return c, nil
		}
		return bases[0], nil
	}
	if !plumbing.IsHash(from) {
		return nil, fmt.Errorf("%q is no branch, tag or commit here: %w", from, fs.ErrNotExist)
	}
	c, err := t.repo.CommitObject(plumbing.NewHash(from))
	if err != nil {
		return nil, fmt.Errorf("commit %s is not here: %w", from, fs.ErrNotExist)
	}
	return c, nil
}

func (t *Tree) head() (*object.Commit, error) {
	ref, err := t.repo.Head()
	if err != nil {
		return nil, fmt.Errorf("git HEAD: %w", fs.ErrNotExist)
	}
	return t.repo.CommitObject(ref.Hash())
}

// Context for the tree as a push of it to ref: a branch or tag, full or short; empty is
// the branch that is checked out. What a repository would tell and this one does not is
// as in a new one with the branch main.
func (t *Tree) Context(ref string) gitlab.Context {
	in := gitlab.Context{
		Commit: strings.Repeat("0", 40), ProjectName: projectName(filepath.Base(t.Dir)), Namespace: "default",
		ServerURL: "https://127.0.0.1:8443", DefaultBranch: "main", Files: t,
	}
	branch := ""
	if t.repo != nil {
		in.DefaultBranch = t.defaultBranch()
		if head, err := t.head(); err == nil {
			in.Commit, in.Message = head.Hash.String(), head.Message
			in.Author, in.Time = fmt.Sprintf("%s <%s>", head.Author.Name, head.Author.Email), head.Author.When
			if len(head.ParentHashes) > 0 {
				in.Before = head.ParentHashes[0].String()
			}
		}
		branch = t.branch()
	}
	in.RunID = in.ProjectName + "-0"
	name := short(cmp.Or(ref, branch, in.DefaultBranch))
	if strings.HasPrefix(ref, "refs/tags/") || !strings.HasPrefix(ref, "refs/heads/") && t.isTag(name) {
		in.Tag, in.Ref = name, "refs/tags/"+name
		return in
	}
	in.Branch, in.Ref = name, "refs/heads/"+name
	return in
}

// branch that is checked out; empty where none is.
func (t *Tree) branch() string {
	ref, err := t.repo.Reference(plumbing.HEAD, false)
	if err != nil || ref.Type() != plumbing.SymbolicReference {
		return ""
	}
	return ref.Target().Short()
}

func (t *Tree) defaultBranch() string {
	if ref, err := t.repo.Reference("refs/remotes/origin/HEAD", false); err == nil && ref.Type() == plumbing.SymbolicReference {
		return strings.TrimPrefix(ref.Target().String(), "refs/remotes/origin/")
	}
	for _, name := range []string{"main", "master"} {
		if _, err := t.repo.Reference(plumbing.NewBranchReferenceName(name), false); err == nil {
			return name
		}
	}
	return cmp.Or(t.branch(), "main")
}

func (t *Tree) isTag(name string) bool {
	if t.repo == nil {
		return false
	}
	if _, err := t.repo.Reference(plumbing.NewBranchReferenceName(name), false); err == nil {
		return false
	}
	_, err := t.repo.Reference(plumbing.NewTagReferenceName(name), false)
	return err == nil
}

// projectName of a directory as a repository on the server may have it.
func projectName(dir string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(strings.TrimSuffix(dir, ".git")))
	return cmp.Or(strings.Trim(name, "-"), "project")
}
