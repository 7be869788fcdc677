package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

const (
	// maxShown is how much of a file is shown as text.
	maxShown = 1 << 20
	// maxPage is how many commits are listed at once.
	maxPage = 100
	// lookFor is how long a person waits for one view.
	lookFor = 20 * time.Second
)

// Blob is a file as it is shown.
type Blob struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	// Kind: file, executable, link (Text is where it leads; it is not followed).
	Kind string `json:"kind"`
	// Binary: it is no text; Large: it is more than is shown. Text is empty then.
	Binary bool   `json:"binary,omitempty"`
	Large  bool   `json:"large,omitempty"`
	Text   string `json:"text"`
}

// Page is a part of a history, the youngest first.
type Page struct {
	Items []Commit `json:"items"`
	// More says that there are older ones.
	More bool `json:"more,omitempty"`
}

// Look resolves what a person wrote: a branch, a tag, a commit, or the beginning of one.
func (h *Host) Look(ctx context.Context, ns, repo, rev string) (string, error) {
	commit, err := h.Resolve(ctx, ns, repo, rev)
	if err == nil || !errors.Is(err, ErrNotFound) || len(rev) < 6 || len(rev) >= 40 || strings.Trim(rev, "0123456789abcdef") != "" {
		return commit, err
	}
	// Hexadecimal digits only, and as a line: git takes nothing else for them.
	out, gitErr := h.ask(ctx, ns, repo, rev+"\n", 1<<10, "cat-file", "--batch-check")
	if gitErr != nil {
		return "", gitErr
	}
	fields := strings.Fields(string(out))
	if len(fields) == 3 && fields[1] == "commit" && ValidCommit(fields[0]) {
		return fields[0], nil
	}
	if len(fields) == 2 && fields[1] == "ambiguous" {
		return "", fmt.Errorf("repository %s: %s is the beginning of several commits: %w; give more of it", repo, rev, ErrName)
	}
	return "", err
}

// Show reads the file at path of commit for people: text is text, in full or not at all.
func (h *Host) Show(ctx context.Context, ns, repo, commit, p string) (Blob, error) {
	return again(h.Store, ns, repo, func() (Blob, error) {
		f, e, err := h.entry(ctx, ns, repo, commit, p)
		if err != nil {
			return Blob{}, err
		}
		b := Blob{Path: p, Size: f.Size, Kind: kindOf(e.Mode)}
		if f.Size > maxShown {
			b.Large = true
			return b, nil
		}
		r, err := f.Reader()
		if err != nil {
			return b, err
		}
		defer r.Close()
		data, err := io.ReadAll(io.LimitReader(r, maxShown))
		if err != nil {
			return b, err
		}
		if bytes.IndexByte(data, 0) >= 0 || !utf8.Valid(data) {
			b.Binary = true
		} else {
			b.Text = string(data)
		}
		return b, nil
	})
}

// Open the file at path of commit, of any size. A link is not followed: its own text is
// the content.
func (h *Host) Open(ctx context.Context, ns, repo, commit, p string) (io.ReadCloser, int64, error) {
	f, _, err := h.entry(ctx, ns, repo, commit, p)
	if err != nil {
		return nil, 0, err
	}
	r, err := f.Reader()
	return r, f.Size, err
}

func (h *Host) entry(ctx context.Context, ns, repo, commit, p string) (*object.File, *object.TreeEntry, error) {
	clean, err := cleanPath(p)
	if err == nil && clean == "" {
		err = fmt.Errorf("path is empty: %w; give the path of a file", ErrName)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("repository %s: %w", repo, err)
	}
	tree, _, err := h.tree(ctx, ns, repo, commit, "")
	if err != nil {
		return nil, nil, err
	}
	e, err := tree.FindEntry(clean)
	if err != nil {
		return nil, nil, fmt.Errorf("repository %s: file %q in commit %s: %w", repo, p, short(commit), missing(err))
	}
	switch e.Mode {
	case filemode.Regular, filemode.Executable, filemode.Deprecated, filemode.Symlink:
	default:
		return nil, nil, fmt.Errorf("repository %s: %q in commit %s is not a file: %w", repo, p, short(commit), ErrName)
	}
	f, err := tree.TreeEntryFile(e)
	if err != nil {
		return nil, nil, fmt.Errorf("repository %s: file %q in commit %s: %w", repo, p, short(commit), missing(err))
	}
	return f, e, nil
}

func kindOf(m filemode.FileMode) string {
	switch m {
	case filemode.Dir:
		return "directory"
	case filemode.Symlink:
		return "link"
	case filemode.Submodule:
		return "submodule"
	case filemode.Executable:
		return "executable"
	}
	return "file"
}

// History lists commits that lead to tip, the youngest first; with a path, those that
// changed it; without those that lead to one of not.
func (h *Host) History(ctx context.Context, ns, repo, tip, path string, skip, limit int, not ...string) (Page, error) {
	clean, err := cleanPath(path)
	if err != nil {
		return Page{}, fmt.Errorf("repository %s: %w", repo, err)
	}
	if skip < 0 || limit < 0 {
		return Page{}, fmt.Errorf("repository %s: history: %w; skip and limit are numbers from 0", repo, ErrName)
	}
	if limit == 0 || limit > maxPage {
		limit = maxPage
	}
	for _, c := range append([]string{tip}, not...) {
		if _, err := h.commit(ctx, ns, repo, c); err != nil {
			return Page{}, err
		}
	}
	var in strings.Builder
	in.WriteString(tip + "\n")
	for _, c := range not {
		in.WriteString("^" + c + "\n")
	}
	if clean != "" {
		in.WriteString("--\n" + clean + "\n")
	}
	out, err := h.ask(ctx, ns, repo, in.String(), 1<<20, "rev-list", "--max-count="+strconv.Itoa(limit+1), "--skip="+strconv.Itoa(skip), "--stdin")
	if err != nil {
		return Page{}, err
	}
	return again(h.Store, ns, repo, func() (Page, error) {
		r, err := h.open(ctx, ns, repo)
		if err != nil {
			return Page{}, err
		}
		page := Page{Items: []Commit{}}
		for _, hash := range strings.Fields(string(out)) {
			if len(page.Items) == limit {
				page.More = true
				break
			}
			c, err := r.CommitObject(plumbing.NewHash(hash))
			if err != nil {
				return Page{}, fmt.Errorf("repository %s: commit %s: %w", repo, short(hash), missing(err))
			}
			page.Items = append(page.Items, describe(c))
		}
		return page, nil
	})
}

// ask has git answer a question about a repository. The arguments are ours; what a
// person gave is checked, and reaches git on its standard input. An answer that is
// longer than most ends there.
func (h *Host) ask(ctx context.Context, ns, repo, in string, most int, args ...string) ([]byte, error) {
	h.init()
	dir, err := h.path(ns, repo)
	if err != nil {
		return nil, err
	}
	if !h.Has(ns, repo) {
		return nil, fmt.Errorf("repository %s: %w", repo, ErrNotFound)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lookFor, fmt.Errorf("repository %s: the view takes longer than %s: %w", repo, lookFor, ErrLimit))
	defer cancel()
	select {
	case h.looks <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.looks }()
	return again(h.Store, ns, repo, func() ([]byte, error) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		var stderr tailBuffer
		out := &limitedBuffer{most: most, full: stop}
		cmd := h.gitCommand(ctx, dir, args...)
		cmd.Env = append(cmd.Env, "GIT_LITERAL_PATHSPECS=1", "GIT_OPTIONAL_LOCKS=0")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), out, &stderr
		err := cmd.Run()
		switch {
		case err == nil || out.cut:
			return out.Bytes(), nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("repository %s: %s: %w: %s", repo, args[0], err, stderr.String())
	})
}

// limitedBuffer calls full, once, when it has as much as it takes.
type limitedBuffer struct {
	bytes.Buffer
	most int
	full func()
	cut  bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := b.most - b.Len(); len(p) > room {
		b.Buffer.Write(p[:max(room, 0)])
		b.cut = true
		b.full()
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
