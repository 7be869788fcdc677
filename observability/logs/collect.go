package logs

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"slipway.dev/cluster/atomicfile"
)

const (
	batchBytes = 1 << 20
	// settle is how long lines gather before they are sent.
	settle = 200 * time.Millisecond
	// rescan finds what a lost notification hid.
	rescan = 30 * time.Second
)

// Collector tails the log files of a node's containers and sends their lines.
type Collector struct {
	// Dir is the kubelet's podLogsDir.
	Dir string
	// Positions is the file that keeps how far each log file was acknowledged.
	Positions string
	Sender    *Sender
	// Labels returns what else is known of a pod (application, release, run, job).
	Labels func(namespace, pod string) map[string]string
	Log    *slog.Logger

	positions map[uint64]position
	tails     map[string]*tail
}

// Run collects until ctx ends. Lines that could not be sent are sent when that
// is possible again: until then they wait in their files.
func (c *Collector) Run(ctx context.Context) error {
	c.tails, c.positions = map[string]*tail{}, map[uint64]position{}
	if b, err := os.ReadFile(c.Positions); err == nil {
		if err := json.Unmarshal(b, &c.positions); err != nil {
			c.Log.Warn("log positions are unreadable; lines are sent again", "file", c.Positions, "err", err)
		}
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
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
		case err := <-w.Errors:
			c.Log.Warn("log files", "err", err)
			timer.Reset(settle)
		case <-w.Events:
			// Many events make one round; one that waits already stays.
			c.drain(ctx, w, wait)
			wait = c.next(ctx, w, timer, wait)
		case <-timer.C:
			wait = c.next(ctx, w, timer, wait)
		}
	}
}

// drain takes the events of the next moment, so that they make one round.
func (c *Collector) drain(ctx context.Context, w *fsnotify.Watcher, d time.Duration) {
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		select {
		case <-w.Events:
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// next does one round and returns how long the one after may gather events:
// longer after each failure.
func (c *Collector) next(ctx context.Context, w *fsnotify.Watcher, timer *time.Timer, wait time.Duration) time.Duration {
	if err := c.round(ctx, w); err != nil && ctx.Err() == nil {
		wait = min(2*wait, 10*time.Second)
		c.Log.Warn("logs wait on the node", "err", err, "again", wait)
		timer.Reset(wait)
		return wait
	}
	timer.Reset(rescan)
	return settle
}

// round finds new files, sends what they and the known ones have, and keeps
// how far it came.
func (c *Collector) round(ctx context.Context, w *fsnotify.Watcher) error {
	err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return ignoreMissing(err)
		}
		if d.IsDir() {
			return ignoreMissing(w.Add(path))
		}
		return c.discover(path)
	})
	if err != nil {
		return err
	}
	c.forget()
	changed := false
	for path, t := range c.tails {
		sent, err := c.send(ctx, t)
		changed = changed || sent
		if err != nil {
			return errors.Join(err, c.keep(changed))
		}
		if t.finished(path) {
			_ = t.file.Close()
			delete(c.tails, path)
			delete(c.positions, t.inode)
			changed = true
			if _, err := os.Lstat(path); err == nil {
				// Rotated: the new file of that name is read in this round too.
				if err := c.discover(path); err != nil {
					return err
				}
				if n := c.tails[path]; n != nil {
					if _, err := c.send(ctx, n); err != nil {
						return errors.Join(err, c.keep(changed))
					}
				}
			}
		}
	}
	return c.keep(changed)
}

func (c *Collector) discover(path string) error {
	namespace, pod, container, ok := podOf(path)
	if !ok || c.tails[path] != nil {
		return nil
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
	c.tails[path] = t
	return nil
}

func (c *Collector) send(ctx context.Context, t *tail) (sent bool, err error) {
	for {
		rows, taken, err := t.read(batchBytes)
		if err != nil || taken == 0 {
			return sent, err
		}
		if len(rows) > 0 {
			if err := c.Sender.Send(ctx, NewChunkID(), "pods", rows, false); err != nil {
				// Read them again in the next round.
				_, seekErr := t.file.Seek(t.offset, 0)
				t.reader.Reset(t.file)
				t.joined = assembler{}
				return sent, errors.Join(err, seekErr)
			}
		}
		t.offset += taken
		sent = true
		b, err := head(t.file, t.offset)
		if err != nil {
			return sent, err
		}
		c.positions[t.inode] = position{Offset: t.offset, Head: b}
	}
}

// forget drops the positions of files that went while nobody looked.
func (c *Collector) forget() {
	there := map[uint64]bool{}
	for _, t := range c.tails {
		there[t.inode] = true
	}
	maps.DeleteFunc(c.positions, func(inode uint64, _ position) bool { return !there[inode] })
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (c *Collector) keep(changed bool) error {
	if !changed {
		return nil
	}
	b, err := json.Marshal(c.positions)
	if err != nil {
		return err
	}
	return atomicfile.Write(c.Positions, b, 0o600)
}
