package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	maxDiff      = 4 << 20   // bytes of one difference that git is asked for
	maxFilePatch = 200 << 10 // bytes of one file of it that are shown
	maxDiffFiles = 1000
)

// Diff is what differs between two commits.
type Diff struct {
	// From is empty where a commit has no parent.
	From  string     `json:"from,omitempty"`
	To    string     `json:"to"`
	Files []FileDiff `json:"files"`
	// More says that some files, or what changed in them, are left out.
	More bool `json:"more,omitempty"`
}

// FileDiff is what differs in one file.
type FileDiff struct {
	Path string `json:"path"`
	// Old is the path before, where it is another.
	Old string `json:"old,omitempty"`
	// Status: added, deleted, modified, renamed, retyped.
	Status    string `json:"status"`
	Additions int    `json:"additions"`
	Deletions int    `json:"deletions"`
	Binary    bool   `json:"binary,omitempty"`
	// Large: the patch is longer than is shown.
	Large bool `json:"large,omitempty"`
	// Patch are the hunks, in the unified form.
	Patch string `json:"patch,omitempty"`
}

// Comparison is what one commit has over another since they were the same.
type Comparison struct {
	// Base is where both histories meet; empty where they do not.
	Base string `json:"base,omitempty"`
	Page `json:"commits"`
	Diff Diff `json:"diff"`
}

// CommitDiff is what a commit changed against its first parent.
func (h *Host) CommitDiff(ctx context.Context, ns, repo, commit string) (Commit, Diff, error) {
	c, err := h.Commit(ctx, ns, repo, commit)
	if err != nil {
		return c, Diff{}, err
	}
	from := ""
	if len(c.Parents) > 0 {
		from = c.Parents[0]
	}
	d, err := h.Diff(ctx, ns, repo, from, commit)
	return c, d, err
}

// Compare says what to has over from since they were the same.
func (h *Host) Compare(ctx context.Context, ns, repo, from, to string) (Comparison, error) {
	base, err := again(h.Store, ns, repo, func() (string, error) {
		a, err := h.commit(ctx, ns, repo, from)
		if err != nil {
			return "", err
		}
		b, err := h.commit(ctx, ns, repo, to)
		if err != nil {
			return "", err
		}
		m, err := mergeBase(ctx, a, b)
		if err != nil || m == nil {
			return "", err
		}
		return m.Hash.String(), nil
	})
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{Base: base}
	if c.Page, err = h.History(ctx, ns, repo, to, "", 0, 0, from); err != nil {
		return c, err
	}
	c.Diff, err = h.Diff(ctx, ns, repo, base, to)
	return c, err
}

// Diff of two commits; from is empty for all that to has. git makes it; it gets two
// object names, as a line.
func (h *Host) Diff(ctx context.Context, ns, repo, from, to string) (Diff, error) {
	for _, c := range []string{from, to} {
		if c == "" && c == from {
			continue
		}
		if _, err := h.commit(ctx, ns, repo, c); err != nil {
			return Diff{}, err
		}
	}
	in := to + " " + from + "\n"
	if from == "" {
		tree, _, err := h.tree(ctx, ns, repo, to, "")
		if err != nil {
			return Diff{}, err
		}
		in = emptyTree + " " + tree.Hash.String() + "\n"
	}
	out, err := h.ask(ctx, ns, repo, in, maxDiff, "diff-tree", "--stdin", "-r", "-p", "--raw", "--numstat", "-z", "--no-commit-id",
		"-M", "-l400", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
	if err != nil {
		return Diff{}, err
	}
	cut := len(out) >= maxDiff
	if from == "" { // of trees it repeats the line
		_, out, _ = bytes.Cut(out, []byte{'\n'})
	}
	d, err := parseDiff(out, cut)
	if err != nil {
		return Diff{}, fmt.Errorf("repository %s: difference of %s and %s: %w", repo, short(from), short(to), err)
	}
	d.From, d.To = from, to
	return d, nil
}

// emptyTree is what a commit without a parent is compared with; git knows it by heart.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

var errDiff = errors.New("git's answer is not in the form that it should be")

// parseDiff reads what diff-tree writes with --raw --numstat -p -z: records, counts, and
// then a patch a record, in the same order.
func parseDiff(out []byte, cut bool) (Diff, error) {
	d := Diff{Files: []FileDiff{}, More: cut}
	next := func() (string, bool) {
		i := bytes.IndexByte(out, 0)
		if i < 0 {
			return "", false
		}
		s := string(out[:i])
		out = out[i+1:]
		return s, true
	}
	bad := func() (Diff, error) {
		if cut {
			return d, nil
		}
		return d, errDiff
	}
	var retyped []bool
	for len(out) > 0 && out[0] == ':' {
		head, ok := next()
		fields := strings.Fields(head)
		if !ok || len(fields) != 5 || fields[4] == "" {
			return bad()
		}
		f := FileDiff{Status: statusOf(fields[4][0])}
		if f.Path, ok = next(); !ok {
			return bad()
		}
		if f.Status == "renamed" {
			f.Old = f.Path
			if f.Path, ok = next(); !ok {
				return bad()
			}
		}
		f.Path, f.Old = clip(f.Path, 4096), clip(f.Old, 4096)
		d.Files = append(d.Files, f)
		retyped = append(retyped, f.Status == "retyped")
	}
	for i := range d.Files {
		if len(out) == 0 || out[0] == 0 {
			return bad()
		}
		line, ok := next()
		parts := strings.SplitN(line, "\t", 3)
		if !ok || len(parts) != 3 {
			return bad()
		}
		f := &d.Files[i]
		f.Binary = parts[0] == "-"
		f.Additions, _ = strconv.Atoi(parts[0])
		f.Deletions, _ = strconv.Atoi(parts[1])
		if parts[2] == "" { // renamed: both names follow
			for range 2 {
				if _, ok := next(); !ok {
					return bad()
				}
			}
		}
	}
	patches := splitPatches(bytes.TrimPrefix(out, []byte{0}))
	for i := range d.Files {
		n := 1
		if retyped[i] {
			n = 2 // deleted as the one, added as the other
		}
		for range n {
			if len(patches) == 0 {
				break
			}
			d.Files[i].add(patches[0])
			patches = patches[1:]
		}
	}
	if len(d.Files) > maxDiffFiles {
		d.Files, d.More = d.Files[:maxDiffFiles], true
	}
	return d, nil
}

func statusOf(c byte) string {
	switch c {
	case 'A', 'C':
		return "added"
	case 'D':
		return "deleted"
	case 'R':
		return "renamed"
	case 'T':
		return "retyped"
	}
	return "modified"
}

// splitPatches at the lines that begin one: within a hunk no line begins like them.
func splitPatches(b []byte) []string {
	var out []string
	const begin = "diff --git "
	start := -1
	for i := 0; i < len(b); {
		end := bytes.IndexByte(b[i:], '\n')
		if end < 0 {
			end = len(b) - i - 1
		}
		if bytes.HasPrefix(b[i:], []byte(begin)) {
			if start >= 0 {
				out = append(out, string(b[start:i]))
			}
			start = i
		}
		i += end + 1
	}
	if start >= 0 {
		out = append(out, string(b[start:]))
	}
	return out
}

// add the hunks of a patch: what stands before them is said elsewhere.
func (f *FileDiff) add(patch string) {
	i := strings.Index("\n"+patch, "\n@@ ")
	if i < 0 {
		return
	}
	f.Patch = strings.ToValidUTF8(f.Patch+patch[i:], "\uFFFD")
	if len(f.Patch) > maxFilePatch {
		f.Patch, f.Large = "", true
	}
}
