package chart

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway.dev/gitops/render"
)

// Everything is below <Dir>/<namespace>: what one tenant could fetch, another one may
// not find here. Archives are sha256-….tgz, indexes index-….yaml.

func (c *Client) dir(namespace string) string {
	return filepath.Join(c.Dir, filepath.Base(filepath.Clean("/"+namespace)))
}

func (c *Client) file(namespace, digest string) string {
	return filepath.Join(c.dir(namespace), strings.Replace(digest, ":", "-", 1)+".tgz")
}

// kept says where an archive is, and that it was wanted now.
func (c *Client) kept(namespace, digest string) (string, bool) {
	file := c.file(namespace, digest)
	now := time.Now()
	return file, os.Chtimes(file, now, now) == nil
}

// keep writes a stream to a file that appears whole, and gives its digest. One that is
// larger than allowed, or has another digest than wanted, is not kept.
func (c *Client) keep(namespace string, r io.Reader, limit int64, wanted string) (digest string, err error) {
	tmp, digest, err := c.spool(namespace, r, limit)
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp)
	if wanted != "" && wanted != digest {
		return "", render.Refuse("", 0, "what was fetched is not what was promised: it should have %s and has %s", wanted, digest)
	}
	if err := os.Rename(tmp, c.file(namespace, digest)); err != nil {
		return "", err
	}
	c.prune(c.file(namespace, digest))
	return digest, nil
}

// spool writes a stream to a new file of ours. The caller removes or renames it.
func (c *Client) spool(namespace string, r io.Reader, limit int64) (file, digest string, err error) {
	dir := c.dir(namespace)
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	// Children, who are nobody, are given this directory; nobody comes past the one above.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", "", err
	}
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return "", "", err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, limit+1))
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil && n > limit {
		err = render.Refuse("", 0, "larger than %d MiB", limit>>20)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", "", err
	}
	return f.Name(), "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// prune deletes what was not wanted the longest, until the rest fits.
func (c *Client) prune(keep string) {
	limit := c.MaxCache
	if limit <= 0 {
		limit = maxCache
	}
	type item struct {
		path string
		size int64
		used time.Time
	}
	var items []item
	var total int64
	_ = filepath.WalkDir(c.Dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		info, err := e.Info()
		if err != nil || strings.HasPrefix(e.Name(), ".new-") && time.Since(info.ModTime()) < patience {
			return nil
		}
		total += info.Size()
		items = append(items, item{p, info.Size(), info.ModTime()})
		return nil
	})
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

func hash(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:])
}
