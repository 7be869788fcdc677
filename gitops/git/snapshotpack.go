package git

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// pack is a snapshot in the making.
type pack struct {
	*Host
	req  Snapshot
	dir  string
	refs map[string]ref
}

// write the .git directory, then the working tree.
func (p *pack) write(ctx context.Context, tw *tar.Writer) error {
	c, err := p.commit(ctx, p.req.Namespace, p.req.Repository, p.req.Commit)
	if err != nil {
		return err
	}
	wants, shallow, err := p.history(ctx, c)
	if err != nil {
		return err
	}
	packs, err := p.objects(ctx, wants, shallow)
	if err != nil {
		return err
	}
	at := c.Committer.When
	for _, d := range []string{".git/", ".git/refs/", ".git/refs/heads/", ".git/refs/tags/", ".git/objects/", ".git/objects/info/", ".git/objects/pack/"} {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d, Mode: 0o755, ModTime: at}); err != nil {
			return err
		}
	}
	files := []struct{ name, text string }{
		{"HEAD", p.req.Commit + "\n"},
		{"config", "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"},
		{"packed-refs", p.packedRefs()},
	}
	if len(shallow) > 0 {
		files = append(files, struct{ name, text string }{"shallow", strings.Join(shallow, "\n") + "\n"})
	}
	for _, f := range files {
		if err := entry(tw, f.name, int64(len(f.text)), at, strings.NewReader(f.text)); err != nil {
			return err
		}
	}
	for _, name := range packs {
		if err := packFile(tw, name, at); err != nil {
			return err
		}
	}
	if p.req.NoTree {
		return nil
	}
	tree, err := c.Tree()
	if err != nil {
		return err
	}
	if err := p.index(ctx, tw, tree, at); err != nil {
		return err
	}
	return p.Store.writeTree(ctx, tw, tree, at)
}

func entry(tw *tar.Writer, name string, size int64, at time.Time, r io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: ".git/" + name, Mode: 0o644, Size: size, ModTime: at}); err != nil {
		return err
	}
	_, err := io.Copy(tw, r)
	return err
}

func packFile(tw *tar.Writer, name string, at time.Time) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return entry(tw, "objects/pack/"+filepath.Base(name), info.Size(), at, f)
}

// history says what the pack begins at and where it ends, and drops the tags that
// are not within.
func (p *pack) history(ctx context.Context, tip *object.Commit) (wants, shallow []string, err error) {
	wants = []string{p.req.Commit}
	if p.req.Depth == 0 {
		for _, r := range p.refs {
			wants = append(wants, r.hash)
		}
		return wants, nil, nil
	}
	r, err := p.open(ctx, p.req.Namespace, p.req.Repository)
	if err != nil {
		return nil, nil, err
	}
	seen := map[plumbing.Hash]bool{tip.Hash: true}
	level := []plumbing.Hash{tip.Hash}
	for depth := 1; len(level) > 0; depth++ {
		var next []plumbing.Hash
		for _, hash := range level {
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			c, err := r.CommitObject(hash)
			if err != nil {
				return nil, nil, fmt.Errorf("commit %s: %w", short(hash.String()), missing(err))
			}
			if depth == p.req.Depth {
				if len(c.ParentHashes) > 0 {
					shallow = append(shallow, hash.String())
				}
				continue
			}
			for _, parent := range c.ParentHashes {
				if !seen[parent] {
					seen[parent] = true
					next = append(next, parent)
				}
			}
		}
		level = next
	}
	for name, ref := range p.refs {
		switch {
		case !seen[plumbing.NewHash(ref.commit)]:
			delete(p.refs, name)
		case ref.hash != ref.commit:
			wants = append(wants, ref.hash)
		}
	}
	slices.Sort(shallow)
	return wants, shallow, nil
}

func (p *pack) packedRefs() string {
	var b strings.Builder
	b.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	for _, name := range slices.Sorted(maps.Keys(p.refs)) {
		r := p.refs[name]
		fmt.Fprintf(&b, "%s %s\n", r.hash, name)
		if r.hash != r.commit {
			fmt.Fprintf(&b, "^%s\n", r.commit)
		}
	}
	return b.String()
}

// objects has git write one pack and its index. Only object names reach git, as lines.
func (p *pack) objects(ctx context.Context, wants, shallow []string) ([]string, error) {
	dir, err := p.path(p.req.Namespace, p.req.Repository)
	if err != nil {
		return nil, err
	}
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.places }()
	var in bytes.Buffer
	for _, s := range shallow {
		fmt.Fprintln(&in, "--shallow", s)
	}
	for _, w := range wants {
		fmt.Fprintln(&in, w)
	}
	return again(p.Store, p.req.Namespace, p.req.Repository, func() ([]string, error) {
		var stderr tailBuffer
		cmd := p.gitCommand(ctx, dir, "pack-objects", "--revs", "--quiet", "--delta-base-offset", filepath.Join(p.dir, "pack"))
		cmd.Stdin, cmd.Stderr = bytes.NewReader(in.Bytes()), &stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("pack: %w: %s", err, stderr.String())
		}
		files, err := filepath.Glob(filepath.Join(p.dir, "pack-*"))
		files = slices.DeleteFunc(files, func(f string) bool { return !strings.HasSuffix(f, ".pack") && !strings.HasSuffix(f, ".idx") })
		if err == nil && len(files) != 2 {
			err = errors.New("pack: git wrote none")
		}
		return files, err
	})
}

// index lists the files as git's index does; times and inodes are for who unpacks it.
func (p *pack) index(ctx context.Context, tw *tar.Writer, tree *object.Tree, at time.Time) error {
	idx := &index.Index{Version: 2}
	err := p.walkTree(ctx, tree, func(path string, mode filemode.FileMode, hash plumbing.Hash, size int64) error {
		if mode == filemode.Deprecated {
			mode = filemode.Regular
		}
		if mode != filemode.Dir {
			idx.Entries = append(idx.Entries, &index.Entry{Name: path, Mode: mode, Hash: hash, Size: uint32(size)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := index.NewEncoder(&b).Encode(idx); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return entry(tw, "index", int64(b.Len()), at, &b)
}
