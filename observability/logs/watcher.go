package logs

import (
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// rescan finds what a lost notification hid.
	rescan = 30 * time.Second
	// rescanBlind is how often files are looked at where the kernel tells nothing of them.
	rescanBlind = time.Second
)

// watcher has the kernel tell of files that change. The kernel may have no room for that
// (fs.inotify.max_user_instances and max_user_watches are for all programs of a user): then
// files are looked at each second, until it has.
type watcher struct {
	open    func() (*fsnotify.Watcher, error)
	log     *slog.Logger
	inotify *fsnotify.Watcher // nil: none could be had
	err     error             // why something is not watched since the round began
	blind   bool              // and whether that was said
}

// add watches a directory; one that is gone is none.
func (w *watcher) add(dir string) {
	if w.inotify == nil {
		if w.err != nil {
			return // in this round already
		}
		if w.inotify, w.err = w.open(); w.err != nil {
			return
		}
	}
	if err := w.inotify.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.err = err
	}
}

func (w *watcher) events() <-chan fsnotify.Event {
	if w.inotify == nil {
		return nil
	}
	return w.inotify.Events
}

func (w *watcher) errors() <-chan error {
	if w.inotify == nil {
		return nil
	}
	return w.inotify.Errors
}

// rescan ends a round and says when the next one is due at the latest.
func (w *watcher) rescan() time.Duration {
	err := w.err
	w.err = nil
	if blind := err != nil; blind != w.blind {
		w.blind = blind
		if blind {
			w.log.Warn("log files are looked at each second, as the kernel does not tell of all of them; fs.inotify.max_user_instances and fs.inotify.max_user_watches say how many there may be", "err", err)
		} else {
			w.log.Info("the kernel tells of log files again")
		}
	}
	if w.blind {
		return rescanBlind
	}
	return rescan
}

func (w *watcher) close() {
	if w.inotify != nil {
		_ = w.inotify.Close()
	}
}
