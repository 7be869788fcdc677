package runjob

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"slipway.dev/pipelines/jobapi/wire"
)

// cached is one cache of the job while it runs.
type cached struct {
	wire.Cache
	index int
	// query names the hash of the key files.
	query string
	// dir is where the contents are unpacked until the source is there.
	dir string
	// found is the key that they were found under; "" is nowhere.
	found string
	// seen is what was unpacked, to know at the end whether anything changed.
	seen map[string]stamp
	// before: it was restored by the step before the job's.
	before bool
	done   chan struct{}
	err    error
}

// stamp of a file, by which a change is known.
type stamp struct {
	Size  int64       `json:"s,omitempty"`
	MTime int64       `json:"t,omitempty"`
	Mode  fs.FileMode `json:"m,omitempty"`
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{Mode: info.Mode()}
	if info.Mode().IsRegular() {
		s.Size, s.MTime = info.Size(), info.ModTime().UnixNano()
	}
	return s
}

// startCaches begins to fetch those whose key is known before the source is there, and
// that no step before has fetched.
func (a *attempt) startCaches(ctx context.Context) {
	for i, c := range a.job.Caches {
		one := &cached{Cache: c, index: i, done: make(chan struct{}), dir: filepath.Join(a.scratch, "cache-"+strconv.Itoa(i))}
		a.caches = append(a.caches, one)
		if len(c.KeyFiles) == 0 {
			go func() {
				if a.ahead(ctx, one) {
					close(one.done)
					return
				}
				a.restore(ctx, one)
			}()
		}
	}
}

// restore into a directory beside the project. A cache that cannot be had never fails a job.
func (a *attempt) restore(ctx context.Context, c *cached) {
	defer close(c.done)
	if !c.Pull {
		return
	}
	res, err := a.do(ctx, http.MethodGet, c.path(), "", nil)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return
	}
	if err != nil {
		c.err = err
		return
	}
	defer res.Body.Close()
	if c.err = os.MkdirAll(c.dir, 0o755); c.err != nil {
		return
	}
	if c.seen, c.err = unpackCache(res.Body, c.dir); c.err == nil {
		c.found = res.Header.Get(wire.CacheKeyHeader)
	}
}

func (c *cached) path() string { return "/cache/" + strconv.Itoa(c.index) + c.query }

// joinCaches moves what was fetched to where the script finds it.
func (a *attempt) joinCaches(ctx context.Context) error {
	for _, c := range a.caches {
		if len(c.KeyFiles) > 0 {
			sum, err := hashFiles(a.project, c.KeyFiles)
			if err != nil {
				return err
			}
			c.query, c.Key = "?hash="+sum, c.Key+sum
			a.restore(ctx, c)
		}
		<-c.done
		switch {
		case !c.Pull:
			continue
		case c.err == nil && c.found == "":
			fmt.Fprintf(a.out, "No cache is found for %s\n", c.Key)
			continue
		case c.err == nil:
			c.err = merge(c.dir, a.project)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c.err != nil {
			c.found, c.seen = "", nil
			a.warn("cache %s is not restored: %v", c.Key, c.err)
			continue
		}
		how := ""
		if c.before {
			how = ", begun before the image was there"
		}
		fmt.Fprintf(a.out, "Restored cache %s (%d files)%s\n", c.found, len(c.seen), how)
	}
	return nil
}

// hashFiles is the hash of the contents of the files, or "default" where none is there.
func hashFiles(dir string, files []string) (string, error) {
	list, err := chosen{paths: files}.match(dir)
	if err != nil {
		return "", err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	h := sha256.New()
	any := false
	for _, name := range list {
		info, err := root.Lstat(name)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		any = true
		fmt.Fprintf(h, "%s\x00%d\x00", name, info.Size())
		if err := content(h, root, name, info); err != nil {
			return "", err
		}
	}
	if !any {
		return "default", nil
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// pushCaches uploads those that changed.
func (a *attempt) pushCaches(ctx context.Context, status string) {
	var push []*cached
	for _, c := range a.caches {
		if c.Push && wanted(c.When, status) {
			push = append(push, c)
		}
	}
	if len(push) == 0 {
		return
	}
	_ = a.section("archive_cache", "Saving cache", func() error {
		for _, c := range push {
			if err := a.push(context.WithoutCancel(ctx), c); err != nil {
				a.warn("cache %s is not saved: %v", c.Key, err)
			}
		}
		return nil
	})
}

func (a *attempt) push(ctx context.Context, c *cached) error {
	files, err := chosen{paths: c.Paths, untracked: c.Untracked}.match(a.project)
	if err != nil {
		return err
	}
	a.warnOutside(c.Paths)
	if len(files) == 0 {
		a.warn("cache %s: no matching files", c.Key)
		return nil
	}
	root, err := os.OpenRoot(a.project)
	if err != nil {
		return err
	}
	defer root.Close()
	if c.found == c.Key && unchanged(root, files, c.seen) {
		fmt.Fprintf(a.out, "Cache %s is up to date\n", c.Key)
		return nil
	}
	err = a.Send(ctx, http.MethodPut, c.path(), "application/zstd", Piped(func(w io.Writer) error { return packCache(w, root, files) }))
	if err == nil {
		fmt.Fprintf(a.out, "Saved cache %s (%d files)\n", c.Key, len(files))
	}
	return err
}

func unchanged(root *os.Root, files []string, seen map[string]stamp) bool {
	if len(files) != len(seen) {
		return false
	}
	for _, name := range files {
		info, err := root.Lstat(name)
		if was, ok := seen[name]; err != nil || !ok || was != stampOf(info) {
			return false
		}
	}
	return true
}

// packCache writes the files as a tar in zstd, times and modes kept.
func packCache(w io.Writer, root *os.Root, files []string) error {
	zw, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	for _, name := range files {
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = root.Readlink(name); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		h.Name, h.Uid, h.Gid, h.Uname, h.Gname, h.Format = name, 0, 0, "", "", tar.FormatPAX
		if info.IsDir() {
			h.Name += "/"
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			if err := content(tw, root, name, info); err != nil {
				return err
			}
		}
	}
	return errors.Join(tw.Close(), zw.Close())
}

func unpackCache(r io.Reader, dir string) (map[string]stamp, error) {
	zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return nil, err
	}
	defer zr.Close()
	p, err := newPlacer(dir)
	if err != nil {
		return nil, err
	}
	defer p.root.Close()
	p.seen = map[string]stamp{}
	return p.seen, untar(p, zr)
}

// merge moves what is in from into to; what is in the way and no directory on both
// sides gives way.
func merge(from, to string) error {
	source, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range source {
		old, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		info, err := os.Lstat(dst)
		switch {
		case err == nil && info.IsDir() && e.IsDir():
			if err := merge(old, dst); err != nil {
				return err
			}
			continue
		case err == nil:
			if err := os.RemoveAll(dst); err != nil {
				return err
			}
		}
		if err := os.Rename(old, dst); err != nil {
			return err
		}
	}
	return nil
}
