package logs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"slipway.dev/cluster/atomicfile"
)

const (
	// batchBytes is about how much of one file is sent at a time, sweepBytes of all.
	batchBytes = 1 << 20
	sweepBytes = 8 << 20
	// settle is how long lines gather before they are sent.
	settle = 200 * time.Millisecond
)

// Collector tails the log files of a node's containers and sends their lines.
type Collector struct {
	// Dir is the kubelet's podLogsDir.
	Dir string
	// Positions is the file that keeps how far each log file was acknowledged.
	Positions string
	// Sources are other files of the node.
	Sources []Source
	Sender  *Sender
	// Labels returns what else is known of a pod (application, release, run, job).
	Labels func(namespace, pod string) map[string]string
	Log    *slog.Logger

	// watch is fsnotify's, but for tests.
	watch     func() (*fsnotify.Watcher, error)
	positions map[uint64]position
	tails     map[uint64]*tail // by inode: a file keeps it when it is rotated
}

// Run collects until ctx ends. Lines that could not be sent are sent when that
// is possible again: until then they wait in their files.
func (c *Collector) Run(ctx context.Context) error {
	c.tails, c.positions = map[uint64]*tail{}, map[uint64]position{}
	if b, err := os.ReadFile(c.Positions); err == nil {
		if err := json.Unmarshal(b, &c.positions); err != nil {
			c.Log.Warn("log positions are unreadable; lines are sent again", "file", c.Positions, "err", err)
		}
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	w := &watcher{open: c.watch, log: c.Log}
	if w.open == nil {
		w.open = fsnotify.NewWatcher
	}
	defer w.close()
	defer func() {
		for _, t := range c.tails {
			_ = t.file.Close()
		}
		_ = c.Sender.Close()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	wait := settle
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.errors():
			c.Log.Warn("log files", "err", err)
			timer.Reset(settle)
		case <-w.events():
			// Many events make one round; one that waits already stays.
			c.drain(ctx, w, wait)
			wait = c.next(ctx, w, timer, wait)
		case <-timer.C:
			wait = c.next(ctx, w, timer, wait)
		}
	}
}

// drain takes the events of the next moment, so that they make one round.
func (c *Collector) drain(ctx context.Context, w *watcher, d time.Duration) {
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		select {
		case <-w.events():
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// next does one round and returns how long the one after may gather events:
// longer after each failure.
func (c *Collector) next(ctx context.Context, w *watcher, timer *time.Timer, wait time.Duration) time.Duration {
	if err := c.round(ctx, w); err != nil && ctx.Err() == nil {
		wait = min(2*wait, 10*time.Second)
		c.Log.Warn("logs wait on the node", "err", err, "again", wait)
		timer.Reset(wait)
		return wait
	}
	timer.Reset(w.rescan())
	return settle
}

// round finds new files, sends what they and the known ones have, and keeps
// how far it came.
func (c *Collector) round(ctx context.Context, w *watcher) error {
	err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return ignoreMissing(err)
		}
		if d.IsDir() {
			w.add(path)
			return nil
		}
		return c.discover(path)
	})
	if err == nil {
		err = c.discoverSources(w)
	}
	if err != nil {
		return err
	}
	c.forget()
	for {
		more, err := c.sweep(ctx)
		if err != nil {
			return err
		}
		c.leave()
		if !more {
			return nil
		}
	}
}

// sweep sends a batch of each file that has one. Before, it keeps which batches these are,
// and after, that they are acknowledged: a process that is killed in between is followed
// by one that sends the very same, which the store has once.
func (c *Collector) sweep(ctx context.Context) (more bool, err error) {
	// What waits already goes first: while nothing can be sent, no more is read.
	all := slices.SortedFunc(maps.Values(c.tails), func(a, b *tail) int {
		return cmp.Compare(b.waits(), a.waits())
	})
	var batches []*tail
	size := int64(0)
	for _, t := range all {
		b, err := t.next(batchBytes)
		if err != nil {
			return false, err
		}
		if b == nil {
			continue
		}
		batches = append(batches, t)
		first, err := head(t.file, t.offset+b.taken)
		if err != nil {
			return false, err
		}
		p := c.positions[t.inode]
		p.Chunk, p.Taken, p.ChunkHead = b.id, b.taken, first
		c.positions[t.inode] = p
		if size += b.taken; size >= sweepBytes {
			break
		}
	}
	if len(batches) == 0 {
		return false, nil
	}
	if err := c.keep(); err != nil {
		return false, err
	}
	for _, t := range batches {
		if len(t.pending.rows) > 0 {
			if err := c.Sender.Send(ctx, t.pending.id, "pods", t.pending.rows, t.pending.again); err != nil {
				return false, errors.Join(err, c.keep())
			}
		}
		t.sent()
		b, err := head(t.file, t.offset)
		if err != nil {
			return false, err
		}
		c.positions[t.inode] = position{Offset: t.offset, Head: b}
	}
	return true, c.keep()
}

// leave gives up files that are deleted and read to their end.
func (c *Collector) leave() {
	for inode, t := range c.tails {
		if t.finished() {
			_ = t.file.Close()
			delete(c.tails, inode)
			delete(c.positions, inode)
		}
	}
}

// known says whether the file at path is read already, maybe under the name it had before
// it was rotated.
func (c *Collector) known(path string) (bool, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return true, ignoreMissing(err)
	}
	return !fi.Mode().IsRegular() || c.tails[fi.Sys().(*syscall.Stat_t).Ino] != nil, nil
}

// discoverSources finds the files that are no container's.
func (c *Collector) discoverSources(w *watcher) error {
	for i := range c.Sources {
		s := &c.Sources[i]
		w.add(filepath.Dir(s.Pattern))
		paths, err := filepath.Glob(s.Pattern)
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := c.discoverSource(path, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Collector) discoverSource(path string, s *Source) error {
	if known, err := c.known(path); known || err != nil {
		return err
	}
	t, err := openTail(path, c.positions)
	if err != nil {
		return ignoreMissing(err)
	}
	t.source, t.labels = s, NewRow(0, s.fieldsOf(path))
	if t.parse = parseText; s.Audit {
		t.parse = parseAudit
	}
	c.tails[t.inode] = t
	return nil
}

func (c *Collector) discover(path string) error {
	namespace, pod, container, ok := podOf(path)
	if !ok {
		return nil
	}
	if known, err := c.known(path); known || err != nil {
		return err
	}
	t, err := openTail(path, c.positions)
	if err != nil {
		return ignoreMissing(err)
	}
	fields := map[string]string{}
	for k, v := range c.Labels(namespace, pod) {
		fields[k] = v
	}
	fields["namespace"], fields["pod"], fields["container"] = namespace, pod, container
	fields[IndexField] = PodsIndex + namespace
	t.labels = NewRow(0, fields)
	c.tails[t.inode] = t
	return nil
}

// forget drops the positions of files that went while nobody looked.
func (c *Collector) forget() {
	maps.DeleteFunc(c.positions, func(inode uint64, _ position) bool { return c.tails[inode] == nil })
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (c *Collector) keep() error {
	b, err := json.Marshal(c.positions)
	if err != nil {
		return err
	}
	return atomicfile.Write(c.Positions, b, 0o600)
}
