package git

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Snapshot asks for what a job unpacks: the working tree of a commit and a .git
// directory with its history, HEAD detached at the commit.
type Snapshot struct {
	Namespace, Repository, Commit string
	// Ref is the full name of the branch or tag that the history shows at the commit.
	Ref string
	// Depth of the history in commits. 0: all of it, with all branches and tags;
	// otherwise with Ref and the tags within.
	Depth int
	// NoTree leaves the working tree and the index out.
	NoTree bool
}

// maxDepth is the deepest bounded history; a deeper one is all of it.
const maxDepth = 100_000

// defaultSnapshots bounds the disk that snapshots take.
const defaultSnapshots = 2 << 30

// snapshotPatience is how long the making of one may take.
const snapshotPatience = 10 * time.Minute

// WriteSnapshot writes s as a tar in zstd. It is made once for the same commit, depth
// and refs, and then read from disk until others need the room.
func (h *Host) WriteSnapshot(ctx context.Context, s Snapshot, w io.Writer) error {
	h.init()
	if s.Depth < 0 || s.Depth > maxDepth {
		s.Depth = 0
	}
	if _, err := h.commit(ctx, s.Namespace, s.Repository, s.Commit); err != nil {
		return err
	}
	refs, err := h.refs(ctx, s.Namespace, s.Repository)
	if err != nil {
		return err
	}
	refs = snapshotRefs(refs, s)
	file := filepath.Join(h.snapshots(s.Namespace, s.Repository), snapshotKey(s, refs))
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		// Jobs that start together wait for one making, whoever of them goes away.
		_, err, _ = h.making.Do(file, func() (any, error) {
			return nil, h.makeSnapshot(context.WithoutCancel(ctx), s, refs, file)
		})
		if err == nil {
			f, err = os.Open(file)
		}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	now := time.Now()
	_ = os.Chtimes(file, now, now)
	_, err = io.Copy(w, f)
	return err
}

func (s *Store) snapshots(ns, repo string) string {
	return filepath.Join(s.Dir, ".snapshots", ns, repo)
}

// snapshotRefs are those that the snapshot may show, named as a clone has them.
func snapshotRefs(all map[string]ref, s Snapshot) map[string]ref {
	out := map[string]ref{}
	for name, r := range all {
		branch, isBranch := strings.CutPrefix(name, "refs/heads/")
		switch {
		case !isBranch:
			out[name] = r
		case s.Depth == 0:
			out["refs/remotes/origin/"+branch] = r
		}
	}
	// Wherever the branch is by now, the job's is at its commit.
	if branch, ok := strings.CutPrefix(s.Ref, "refs/heads/"); ok && ValidRef(s.Ref) {
		out["refs/remotes/origin/"+branch] = ref{hash: s.Commit, commit: s.Commit}
	}
	return out
}

func snapshotKey(s Snapshot, refs map[string]ref) string {
	d := sha256.New()
	fmt.Fprintln(d, "v1", s.Commit, s.Depth, s.NoTree)
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		fmt.Fprintln(d, name, refs[name].hash)
	}
	return hex.EncodeToString(d.Sum(nil))
}

// makeSnapshot in a file that appears whole.
func (h *Host) makeSnapshot(ctx context.Context, s Snapshot, refs map[string]ref, file string) error {
	ctx, cancel := context.WithTimeout(ctx, snapshotPatience)
	defer cancel()
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("repository %s: snapshot: %w", s.Repository, err)
	}
	tmp, err := os.MkdirTemp(dir, ".new-")
	if err != nil {
		return fmt.Errorf("repository %s: snapshot: %w", s.Repository, err)
	}
	defer os.RemoveAll(tmp)
	f, err := os.Create(filepath.Join(tmp, "snapshot"))
	if err != nil {
		return err
	}
	defer f.Close()
	zw, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	p := pack{Host: h, req: s, dir: tmp, refs: refs}
	if err := errors.Join(p.write(ctx, tw), tw.Close(), zw.Close()); err != nil {
		return fmt.Errorf("repository %s: snapshot of %s: %w", s.Repository, short(s.Commit), err)
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	h.pruneSnapshots(file)
	return nil
}

// pruneSnapshots deletes those that were not asked for the longest, until the rest
// fits. The one that was just made stays.
func (h *Host) pruneSnapshots(keep string) {
	limit := h.MaxSnapshots
	if limit <= 0 {
		limit = defaultSnapshots
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	type item struct {
		path string
		size int64
		used time.Time
	}
	var items []item
	var total int64
	paths, _ := filepath.Glob(filepath.Join(h.Dir, ".snapshots", "*", "*", "*"))
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		total += info.Size()
		items = append(items, item{p, info.Size(), info.ModTime()})
	}
	slices.SortFunc(items, func(a, b item) int { return a.used.Compare(b.used) })
	for _, i := range items {
		if total <= limit {
			return
		}
		if i.path != keep && os.Remove(i.path) == nil {
			total -= i.size
		}
	}
}
