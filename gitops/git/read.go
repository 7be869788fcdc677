package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"slipway.dev/cluster/text"
)

// Commit is what people want to know of a commit.
type Commit struct {
	Hash    string    `json:"hash"`
	Subject string    `json:"subject"`
	Message string    `json:"message"`
	Author  string    `json:"author"`
	Email   string    `json:"email"`
	Time    time.Time `json:"time"`
	Parents []string  `json:"parents,omitempty"`
}

// Entry is one line of a tree.
type Entry struct {
	Path string `json:"path"`
	// Kind: file, executable, link, directory, submodule.
	Kind string `json:"kind"`
	Size int64  `json:"size,omitempty"`
}

// File returns the whole file at path in commit. A missing path is ErrNotFound;
// a symbolic link is not followed and is an error that names it.
func (s *Store) File(ctx context.Context, ns, repo, commit, p string) ([]byte, error) {
	return again(s, ns, repo, func() ([]byte, error) { return s.file(ctx, ns, repo, commit, p) })
}

func (s *Store) file(ctx context.Context, ns, repo, commit, p string) ([]byte, error) {
	p, err := cleanPath(p)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", repo, err)
	}
	c, err := s.commit(ctx, ns, repo, commit)
	if err != nil {
		return nil, err
	}
	tree, err := c.Tree()
	if err != nil {
		return nil, fmt.Errorf("repository %s: commit %s: %w", repo, short(commit), err)
	}
	e, err := tree.FindEntry(p)
	if err != nil {
		return nil, fmt.Errorf("repository %s: file %q in commit %s: %w", repo, p, short(commit), missing(err))
	}
	switch e.Mode {
	case filemode.Regular, filemode.Executable, filemode.Deprecated:
	case filemode.Symlink:
		return nil, fmt.Errorf("repository %s: %q in commit %s is a symbolic link; put the file itself there", repo, p, short(commit))
	default:
		return nil, fmt.Errorf("repository %s: %q in commit %s is not a file", repo, p, short(commit))
	}
	f, err := tree.TreeEntryFile(e)
	if err != nil {
		return nil, fmt.Errorf("repository %s: file %q in commit %s: %w", repo, p, short(commit), missing(err))
	}
	if limit := s.limits().File; f.Size > limit {
		return nil, fmt.Errorf("repository %s: file %q has %d bytes: %w of %d", repo, p, f.Size, ErrLimit, limit)
	}
	r, err := f.Reader()
	if err != nil {
		return nil, fmt.Errorf("repository %s: file %q: %w", repo, p, err)
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, f.Size))
}

// Exists says whether path is in commit, whatever it is.
func (s *Store) Exists(ctx context.Context, ns, repo, commit, p string) (bool, error) {
	return again(s, ns, repo, func() (bool, error) { return s.exists(ctx, ns, repo, commit, p) })
}

func (s *Store) exists(ctx context.Context, ns, repo, commit, p string) (bool, error) {
	p, err := cleanPath(p)
	if err != nil {
		return false, fmt.Errorf("repository %s: %w", repo, err)
	}
	c, err := s.commit(ctx, ns, repo, commit)
	if err != nil {
		return false, err
	}
	if p == "" {
		return true, nil
	}
	tree, err := c.Tree()
	if err != nil {
		return false, fmt.Errorf("repository %s: commit %s: %w", repo, short(commit), err)
	}
	_, err = tree.FindEntry(p)
	if err := missing(err); errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Tree lists the entries of one directory of commit ("" is the root), by name.
func (s *Store) Tree(ctx context.Context, ns, repo, commit, dir string) ([]Entry, error) {
	return again(s, ns, repo, func() ([]Entry, error) { return s.list(ctx, ns, repo, commit, dir) })
}

func (s *Store) list(ctx context.Context, ns, repo, commit, dir string) ([]Entry, error) {
	tree, dir, err := s.tree(ctx, ns, repo, commit, dir)
	if err != nil {
		return nil, err
	}
	if n, limit := len(tree.Entries), s.limits().Entries; n > limit {
		return nil, fmt.Errorf("repository %s: %d entries: %w of %d", repo, n, ErrLimit, limit)
	}
	out := make([]Entry, 0, len(tree.Entries))
	for _, e := range tree.Entries {
		x := Entry{Path: path.Join(dir, e.Name), Kind: kindOf(e.Mode)}
		if x.Kind == "file" || x.Kind == "executable" {
			if x.Size, err = tree.Size(e.Name); err != nil {
				return nil, fmt.Errorf("repository %s: %q: %w", repo, x.Path, err)
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// Commit describes one commit.
func (s *Store) Commit(ctx context.Context, ns, repo, commit string) (Commit, error) {
	return again(s, ns, repo, func() (Commit, error) {
		r, done, err := s.reader(ctx, ns, repo)
		if err != nil {
			return Commit{}, err
		}
		defer done()
		c, err := commitOf(r, repo, commit)
		if err != nil {
			return Commit{}, err
		}
		return describe(c), nil
	})
}

// Log lists commits reachable from commit, newest first, at most limit.
func (s *Store) Log(ctx context.Context, ns, repo, commit string, limit int) ([]Commit, error) {
	c, err := s.commit(ctx, ns, repo, commit)
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > 1000 {
		limit = 1000
	}
	it := object.NewCommitIterCTime(c, nil, nil)
	defer it.Close()
	var out []Commit
	for len(out) < limit {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("repository %s: log of %s: %w", repo, short(commit), err)
		}
		out = append(out, describe(c))
	}
	return out, nil
}

// Refs maps the full name of every branch and tag to its commit.
func (s *Store) Refs(ctx context.Context, ns, repo string) (map[string]string, error) {
	refs, err := s.refs(ctx, ns, repo)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(refs))
	for name, r := range refs {
		out[name] = r.commit
	}
	return out, nil
}

// Branches maps the short name of every branch to its commit.
func (s *Store) Branches(ctx context.Context, ns, repo string) (map[string]string, error) {
	refs, err := s.refs(ctx, ns, repo)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, r := range refs {
		if b, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			out[b] = r.commit
		}
	}
	return out, nil
}

// Tags lists the short names of all tags, sorted.
func (s *Store) Tags(ctx context.Context, ns, repo string) ([]string, error) {
	refs, err := s.refs(ctx, ns, repo)
	if err != nil {
		return nil, err
	}
	var out []string
	for name := range refs {
		if t, ok := strings.CutPrefix(name, "refs/tags/"); ok {
			out = append(out, t)
		}
	}
	sort.Strings(out)
	return out, nil
}

// Resolve turns a branch, a tag, a full ref name or a full commit into a commit.
func (s *Store) Resolve(ctx context.Context, ns, repo, rev string) (string, error) {
	refs, err := s.refs(ctx, ns, repo)
	if err != nil {
		return "", err
	}
	for _, name := range []string{rev, "refs/heads/" + rev, "refs/tags/" + rev} {
		if r, ok := refs[name]; ok {
			return r.commit, nil
		}
	}
	if ValidCommit(rev) {
		if _, err := s.commit(ctx, ns, repo, rev); err != nil {
			return "", err
		}
		return rev, nil
	}
	list := "known: " + namesOf(refs, "refs/heads/")
	if tags := namesOf(refs, "refs/tags/"); tags != "" {
		list += "; tags: " + tags
	}
	if len(refs) == 0 {
		list = "it has no branch yet; push one"
	}
	return "", fmt.Errorf("repository %s: branch or tag %q %w; %s", repo, rev, ErrNotFound, list)
}

// namesOf refs of one kind, for a message.
func namesOf[R any](refs map[string]R, kind string) string {
	var names []string
	for name := range refs {
		if n, ok := strings.CutPrefix(name, kind); ok {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return strings.Join(names, ", ")
}

func (s *Store) commit(ctx context.Context, ns, repo, commit string) (*object.Commit, error) {
	r, err := s.open(ctx, ns, repo)
	if err != nil {
		return nil, err
	}
	return commitOf(r, repo, commit)
}

func commitOf(r *gogit.Repository, repo, commit string) (*object.Commit, error) {
	if !ValidCommit(commit) {
		return nil, fmt.Errorf("repository %s: commit %q: %w; give the full hexadecimal name", repo, commit, ErrName)
	}
	c, err := r.CommitObject(plumbing.NewHash(commit))
	if err != nil {
		return nil, fmt.Errorf("repository %s: commit %s %w", repo, short(commit), missing(err))
	}
	return c, nil
}

func (s *Store) tree(ctx context.Context, ns, repo, commit, dir string) (*object.Tree, string, error) {
	r, err := s.open(ctx, ns, repo)
	if err != nil {
		return nil, "", err
	}
	return treeOf(r, repo, commit, dir)
}

func treeOf(r *gogit.Repository, repo, commit, dir string) (*object.Tree, string, error) {
	dir, err := cleanPath(dir)
	if err != nil {
		return nil, "", fmt.Errorf("repository %s: %w", repo, err)
	}
	c, err := commitOf(r, repo, commit)
	if err != nil {
		return nil, "", err
	}
	tree, err := c.Tree()
	if err == nil && dir != "" {
		tree, err = tree.Tree(dir)
	}
	if err != nil {
		return nil, "", fmt.Errorf("repository %s: directory %q in commit %s: %w", repo, dir, short(commit), missing(err))
	}
	return tree, dir, nil
}

// ref is one ref on disk: what it names, and the commit behind an annotated tag.
type ref struct {
	hash, commit string
}

// refs lists branches and tags as they are on disk; tags of non-commits are left out.
func (s *Store) refs(ctx context.Context, ns, repo string) (map[string]ref, error) {
	for try := 0; ; try++ {
		out, err := again(s, ns, repo, func() (map[string]ref, error) { return s.readRefs(ctx, ns, repo) })
		// go-git takes the lock of a ref that is being written for a ref.
		if !errors.Is(err, dotgit.ErrEmptyRefFile) || try == 100 || ctx.Err() != nil {
			return out, err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (s *Store) readRefs(ctx context.Context, ns, repo string) (map[string]ref, error) {
	r, err := s.open(ctx, ns, repo)
	if err != nil {
		return nil, err
	}
	it, err := r.Storer.IterReferences()
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", repo, err)
	}
	defer it.Close()
	out := map[string]ref{}
	err = it.ForEach(func(x *plumbing.Reference) error {
		name := x.Name().String()
		if strings.HasSuffix(name, ".lock") {
			return nil // that of a ref that is being written
		}
		if x.Type() != plumbing.HashReference || !strings.HasPrefix(name, "refs/heads/") && !strings.HasPrefix(name, "refs/tags/") {
			return nil
		}
		commit := x.Hash()
		if strings.HasPrefix(name, "refs/tags/") {
			var ok bool
			if commit, ok = peel(r, commit); !ok {
				return nil
			}
		}
		out[name] = ref{hash: x.Hash().String(), commit: commit.String()}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", repo, err)
	}
	return out, nil
}

// peel follows annotated tags to their commit.
func peel(r *gogit.Repository, h plumbing.Hash) (plumbing.Hash, bool) {
	for range 8 {
		o, err := r.Storer.EncodedObject(plumbing.AnyObject, h)
		if err != nil {
			return h, false
		}
		switch o.Type() {
		case plumbing.CommitObject:
			return h, true
		case plumbing.TagObject:
			t, err := object.DecodeTag(r.Storer, o)
			if err != nil {
				return h, false
			}
			h = t.Target
		default:
			return h, false
		}
	}
	return h, false
}

func describe(c *object.Commit) Commit {
	subject, _, _ := strings.Cut(strings.TrimLeft(c.Message, "\n"), "\n")
	out := Commit{
		Hash: c.Hash.String(), Subject: clip(subject, 200), Message: clip(c.Message, 16<<10),
		Author: clip(c.Author.Name, 200), Email: clip(c.Author.Email, 200), Time: c.Author.When,
	}
	for _, p := range c.ParentHashes {
		out.Parents = append(out.Parents, p.String())
	}
	return out
}

// clip makes text of a commit fit into an object: valid UTF-8, bounded.
func clip(s string, n int) string { return text.Mark(s, n) }

func short(commit string) string { return commit[:min(len(commit), 10)] }

// missing turns go-git's several ways to say so into ErrNotFound.
func missing(err error) error {
	for _, e := range []error{plumbing.ErrObjectNotFound, plumbing.ErrReferenceNotFound, object.ErrFileNotFound,
		object.ErrDirectoryNotFound, object.ErrEntryNotFound} {
		if errors.Is(err, e) {
			return ErrNotFound
		}
	}
	return err
}
