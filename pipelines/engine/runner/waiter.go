package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/tektoncd/pipeline/pkg/entrypoint"
)

// How often a waiter looks where the kernel does not tell it: before the directory
// is there, and as a safety net.
const (
	lookForDirectory = 20 * time.Millisecond
	lookAnyway       = time.Second
)

// fileWaiter waits for files by inotify.
type fileWaiter struct{}

var _ entrypoint.Waiter = (*fileWaiter)(nil)

// Wait returns when file is there (and has content, where that is asked), or with
// ErrSkipPreviousStepFailed when file.err is there instead.
func (*fileWaiter) Wait(ctx context.Context, file string, content, breakpoint bool) error {
	if file == "" {
		return nil
	}
	if done, err := look(file, content, breakpoint); done {
		return err
	}
	var events chan fsnotify.Event
	watching := false
	w, err := fsnotify.NewWatcher()
	if err == nil {
		defer w.Close()
		events = w.Events
	}
	for {
		interval := lookAnyway
		if w == nil {
			interval = lookForDirectory
		} else if !watching {
			if watching = w.Add(filepath.Dir(file)) == nil; !watching {
				interval = lookForDirectory
			}
		}
		if done, err := look(file, content, breakpoint); done {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return entrypoint.ErrContextDeadlineExceeded
			}
			return entrypoint.ErrContextCanceled
		case <-events:
		case <-time.After(interval):
		}
	}
}

func look(file string, content, breakpoint bool) (bool, error) {
	info, err := os.Stat(file)
	if err == nil && (!content || info.Size() > 0) {
		return true, nil
	}
	if err != nil && !os.IsNotExist(err) {
		return true, fmt.Errorf("wait for %s: %w", file, err)
	}
	if _, err := os.Stat(file + ".err"); err == nil {
		if breakpoint {
			return true, nil
		}
		return true, entrypoint.ErrSkipPreviousStepFailed
	}
	return false, nil
}
