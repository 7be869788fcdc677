package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/gitops/render"
)

// Footprint is what a path of a commit is.
type Footprint struct {
	// Hash of the file or directory; empty where there is none.
	Hash string
	// Outward: the same Hash does not mean the same content, as a link leads out.
	Outward bool
}

// Sets keeps sets by their digest; the store of releases satisfies it.
type Sets interface {
	Get(ctx context.Context, namespace, application, digest string) (*render.Set, error)
}

// Cache knows which set came of which input. It keeps names and digests only: what a
// rendering looked at, as Git names it, and the digest of the set, which is where the
// sets of releases are. So it survives a restart, and costs a few kilobytes a
// application.
type Cache struct {
	// Dir has a file for each application.
	Dir string
	// Footprints looks at paths of a commit, all at once.
	Footprints func(ctx context.Context, namespace, repository, commit string, paths []string) ([]Footprint, error)
	Sets       Sets
	// Version of the program: another one may render otherwise.
	Version string
	Log     *slog.Logger
	// Max is how many applications are known. Default 20000.
	Max int

	hits, misses, added atomic.Int64
}

// Hits and misses since the start.
func (c *Cache) Counts() (hits, misses int64) { return c.hits.Load(), c.misses.Load() }

const (
	keptEntries = 4
	maxReads    = 2000
)

// entry is one rendering that is known.
type entry struct {
	// Key of the request; Reads with what was there.
	Key   string `json:"key"`
	Reads []look `json:"reads,omitempty"`
	// Time that templates looked at, as closely as they did.
	Time string `json:"time,omitempty"`
	// Digest of the set.
	Digest string `json:"digest"`
}

type look struct {
	Path string `json:"p"`
	How  string `json:"h"`
	Was  string `json:"w"`
}

// key names everything that goes into a rendering but the tree and the time.
func (w *work) key() string {
	version := ""
	if w.Cache != nil {
		version = w.Cache.Version
	}
	req := w.req
	req.Chart.Time = time.Time{}
	body, _ := json.Marshal(struct {
		Version, Repository, Digest string
		Decryption                  any
		Request                     render.Request
	}{version, w.app.Spec.Source.Repository, digestOf(w), w.app.Spec.Source.Decryption, req})
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func digestOf(w *work) string {
	if w.desired.Inputs == nil {
		return ""
	}
	return w.desired.Inputs.Digest
}

// times are the ways in which a time was looked at.
func times(at time.Time) map[render.Clock]string {
	return map[render.Clock]string{
		render.ClockUnseen: "", render.ClockMonth: at.UTC().Format("2006-01"), render.ClockExact: at.UTC().Format(time.RFC3339Nano),
	}
}

func (c *Cache) file(w *work) string {
	return filepath.Join(c.Dir, filepath.Base("/"+w.app.Namespace), filepath.Base("/"+w.app.Name)+".json")
}

func (c *Cache) load(w *work) []entry {
	var out []entry
	data, err := os.ReadFile(c.file(w))
	if err != nil || json.Unmarshal(data, &out) != nil {
		return nil
	}
	return out
}

// find gives the set of an input that was rendered before, or nil.
func (c *Cache) find(ctx context.Context, w *work, key string) *render.Set {
	if c == nil {
		return nil
	}
	known := times(w.req.Chart.Time)
	for _, e := range c.load(w) {
		if e.Key != key || e.Time != known[""] && e.Time != known[render.ClockMonth] && e.Time != known[render.ClockExact] {
			continue
		}
		if !c.unchanged(ctx, w, e.Reads) {
			continue
		}
		set, err := c.Sets.Get(ctx, w.app.Namespace, w.app.Name, e.Digest)
		if err != nil {
			continue // trimmed, or lost: it is rendered again
		}
		c.hits.Add(1)
		return set
	}
	c.misses.Add(1)
	return nil
}

func (c *Cache) unchanged(ctx context.Context, w *work, reads []look) bool {
	if len(reads) == 0 {
		return true
	}
	now, err := c.looks(ctx, w, reads)
	return err == nil && slices.Equal(now, reads)
}

// looks says what is at paths of the commit now.
func (c *Cache) looks(ctx context.Context, w *work, reads []look) ([]look, error) {
	paths := make([]string, len(reads))
	for i, r := range reads {
		if paths[i] = r.Path; r.Path == "." {
			paths[i] = ""
		}
	}
	found, err := c.Footprints(ctx, w.app.Namespace, w.app.Spec.Source.Repository, w.desired.Commit, paths)
	if err != nil {
		return nil, err
	}
	out := make([]look, len(reads))
	for i, r := range reads {
		out[i] = look{Path: r.Path, How: r.How}
		switch f := found[i]; {
		case f.Outward:
			return nil, fmt.Errorf("%s leads out of itself", r.Path)
		case r.How != render.ReadStat:
			if out[i].Was = f.Hash; f.Hash == "" {
				return nil, fmt.Errorf("%s is behind a link", r.Path)
			}
		case f.Hash != "":
			out[i].Was = "there"
		}
	}
	return out, nil
}

// add notes a rendering. That it cannot be noted is no error: it is rendered again.
func (c *Cache) add(ctx context.Context, w *work, key string, a *render.Answer) {
	if c == nil {
		return
	}
	e := entry{Key: key, Time: times(w.req.Chart.Time)[a.Clock], Digest: a.Set.Digest()}
	for _, r := range within(a.Reads) {
		e.Reads = append(e.Reads, look{Path: r.Path, How: r.How})
	}
	if len(e.Reads) > maxReads {
		return
	}
	if len(e.Reads) > 0 {
		var err error
		if e.Reads, err = c.looks(ctx, w, e.Reads); err != nil {
			return
		}
	}
	all := slices.DeleteFunc(c.load(w), func(old entry) bool {
		return old.Key == key && slices.Equal(old.Reads, e.Reads) && old.Time == e.Time
	})
	all = append([]entry{e}, all...)
	body, err := json.Marshal(all[:min(len(all), keptEntries)])
	if err == nil {
		if err = os.MkdirAll(filepath.Dir(c.file(w)), 0o700); err == nil {
			err = atomicfile.Write(c.file(w), body, 0o600)
		}
	}
	if err != nil {
		c.Log.Warn("rendering is not noted", "namespace", w.app.Namespace, "application", w.app.Name, "error", err)
	}
	if c.added.Add(1)%256 == 0 {
		c.prune()
	}
}

// within leaves out what is below a directory that was listed: its hash covers all.
func within(reads []render.Read) []render.Read {
	var lists []string
	for _, r := range reads {
		if r.How == render.ReadList {
			lists = append(lists, r.Path)
		}
	}
	var out []render.Read
	for _, r := range reads {
		covered := slices.ContainsFunc(lists, func(dir string) bool {
			return r.Path != dir && (dir == "." || strings.HasPrefix(r.Path, dir+"/")) || r.Path == dir && r.How != render.ReadList
		})
		if !covered {
			out = append(out, render.Read{Path: path.Clean(r.Path), How: r.How})
		}
	}
	return out
}

// prune forgets the applications that were not rendered the longest.
func (c *Cache) prune() {
	limit := c.Max
	if limit <= 0 {
		limit = 20_000
	}
	type item struct {
		path string
		at   time.Time
	}
	var items []item
	_ = filepath.WalkDir(c.Dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		if info, err := e.Info(); err == nil {
			items = append(items, item{p, info.ModTime()})
		}
		return nil
	})
	slices.SortFunc(items, func(a, b item) int { return b.at.Compare(a.at) })
	for _, i := range items[min(len(items), limit):] {
		_ = os.Remove(i.path)
	}
}
