package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"slipway.dev/cluster/atomicfile"
)

const (
	// maxHaves is how many commits the other side is told that we have.
	maxHaves = 2000
	// haveDepth of a ref that moved elsewhere: after a forced push, what is common is
	// somewhere behind.
	haveDepth = 100
)

// have are the objects that refs of the pool and of the mirror name: all that they lead
// to is on disk.
func (f *fetch) have() (map[plumbing.Hash]bool, error) {
	out := map[plumbing.Hash]bool{}
	for _, dir := range []string{f.pool, f.mirror} {
		if dir == f.mirror && !f.shares() {
			continue
		}
		it, err := f.storage(dir).IterReferences()
		if err != nil {
			return nil, err
		}
		err = it.ForEach(func(r *plumbing.Reference) error {
			if r.Type() == plumbing.HashReference {
				out[r.Hash()] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// shares says whether what the mirror's refs name is in the pool: not when it has just
// left another one.
func (f *fetch) shares() bool {
	pool := f.storage(f.pool)
	it, err := f.storage(f.mirror).IterReferences()
	if err != nil {
		return false
	}
	return it.ForEach(func(r *plumbing.Reference) error {
		if r.Type() == plumbing.HashReference {
			return pool.HasEncodedObject(r.Hash())
		}
		return nil
	}) == nil
}

// haves is what the other side is told: every tip, and what is behind those that it no
// longer has.
func (f *fetch) haves(ctx context.Context, have map[plumbing.Hash]bool, want map[string]plumbing.Hash) ([]plumbing.Hash, error) {
	still := map[plumbing.Hash]bool{}
	for _, hash := range want {
		still[hash] = true
	}
	st := f.storage(f.pool)
	seen := map[plumbing.Hash]bool{}
	for hash := range have {
		if len(seen) >= maxHaves {
			break
		}
		seen[hash] = true
		if still[hash] {
			continue
		}
		c, err := object.GetCommit(st, hash)
		if err != nil {
			continue // a tag; its commit is a tip elsewhere, or is asked for again
		}
		n := 0
		err = object.NewCommitIterCTime(c, seen, nil).ForEach(func(c *object.Commit) error {
			seen[c.Hash] = true
			if n++; n >= haveDepth || len(seen) >= maxHaves {
				return storer.ErrStop
			}
			return ctx.Err()
		})
		if err != nil && !errors.Is(err, plumbing.ErrObjectNotFound) {
			return nil, err
		}
	}
	out := make([]plumbing.Hash, 0, len(seen))
	for hash := range seen {
		out = append(out, hash)
	}
	return out, nil
}

// demux is the pack within an answer.
func demux(req *packp.UploadPackRequest, res io.Reader) io.Reader {
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, res)
	case req.Capabilities.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, res)
	}
	return res
}

// indexPack stores a pack in the pool as it comes and returns its name. Of the first one
// it checks that it is whole: nothing else is there to look behind.
func (f *fetch) indexPack(ctx context.Context, pack io.Reader, whole bool) (string, error) {
	in := bufio.NewReaderSize(pack, 64<<10)
	if _, err := in.Peek(1); errors.Is(err, io.EOF) {
		return "", errors.New("the other side sent nothing")
	}
	args := []string{"index-pack", "--stdin", "--fix-thin"}
	if whole {
		args = append(args, "--check-self-contained-and-connected")
	}
	var out, stderr tailBuffer
	cmd := f.gitCommand(ctx, f.pool, args...)
	read := &errorReader{r: in}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, &out, &stderr
	err := cmd.Run()
	name := strings.TrimPrefix(out.String(), "pack\t")
	switch {
	case err != nil && read.err != nil:
		return "", read.err // what came is to blame, not git
	case err != nil && ValidCommit(name):
		f.drop(name)
		return "", fmt.Errorf("what came is not whole: %w: %s", err, stderr.String())
	case err != nil:
		return "", fmt.Errorf("index-pack: %w: %s", err, stderr.String())
	case !ValidCommit(name):
		return "", fmt.Errorf("index-pack says %q", name)
	}
	return name, atomicfile.SyncDir(filepath.Join(f.pool, "objects", "pack"))
}

// errorReader remembers why reading ended before its end.
type errorReader struct {
	r   io.Reader
	err error
}

func (e *errorReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		e.err = err
	}
	return n, err
}

// present says whether tips are in the pool at all.
func (f *fetch) present(tips []plumbing.Hash) error {
	st := f.storage(f.pool)
	for _, t := range tips {
		if err := st.HasEncodedObject(t); err != nil {
			return fmt.Errorf("what came is not whole: %s: %w", t, err)
		}
	}
	return nil
}

// connected says whether all that tips lead to is in the pool. Only object names reach
// git, as lines.
func (f *fetch) connected(ctx context.Context, tips []plumbing.Hash) error {
	var in bytes.Buffer
	for _, t := range tips {
		fmt.Fprintln(&in, t)
	}
	var stderr tailBuffer
	cmd := f.gitCommand(ctx, f.pool, "rev-list", "--objects", "--stdin", "--quiet", "--not", "--all")
	cmd.Stdin, cmd.Stderr = &in, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("what came is not whole: %w: %s", err, stderr.String())
	}
	return nil
}

// drop a pack that no ref will lead to.
func (f *fetch) drop(pack string) {
	for _, suffix := range []string{".idx", ".rev", ".pack"} {
		_ = os.Remove(filepath.Join(f.pool, "objects", "pack", "pack-"+pack+suffix))
	}
}
