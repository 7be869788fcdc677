package jobapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"slipway.dev/cluster/atomicfile"
)

// ErrTooLarge is what a store answers to more bytes than allowed.
var ErrTooLarge = errors.New("too large")

// Artifacts keeps what jobs leave, by namespace, run and name. A Put that returned
// nil is on disk; one that did not left nothing. Get of what is not there is
// os.ErrNotExist. DeleteRun forgets all of one run.
type Artifacts interface {
	Put(ctx context.Context, namespace, run, name string, r io.Reader, limit int64) error
	Get(ctx context.Context, namespace, run, name string) (io.ReadCloser, error)
	DeleteRun(ctx context.Context, namespace, run string) error
	// Delete one; what is not there is no fault.
	Delete(ctx context.Context, namespace, run, name string) error
}

// Dir is Artifacts in a directory.
type Dir string

var _ Artifacts = Dir("")

var partRE = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,252}$`)

func (d Dir) path(parts ...string) (string, error) {
	for _, p := range parts {
		if !partRE.MatchString(p) {
			return "", fmt.Errorf("artifact name %q: use lower-case letters, digits, '-' and '.'", p)
		}
	}
	return filepath.Join(append([]string{string(d)}, parts...)...), nil
}

// Put writes beside and renames, both made durable.
func (d Dir) Put(_ context.Context, namespace, run, name string, r io.Reader, limit int64) (err error) {
	p, err := d.path(namespace, run, name)
	if err != nil {
		return err
	}
	dir := filepath.Dir(p)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".put-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	n, err := io.Copy(f, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s: %w: more than %d bytes", name, ErrTooLarge, limit)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), p); err != nil {
		return err
	}
	return atomicfile.SyncDir(dir)
}

// Get opens one.
func (d Dir) Get(_ context.Context, namespace, run, name string) (io.ReadCloser, error) {
	p, err := d.path(namespace, run, name)
	if err != nil {
		return nil, err
	}
	return os.Open(p)
}

// Delete removes one file.
func (d Dir) Delete(_ context.Context, namespace, run, name string) error {
	p, err := d.path(namespace, run, name)
	if err != nil {
		return err
	}
	if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// DeleteRun removes the run's directory.
func (d Dir) DeleteRun(_ context.Context, namespace, run string) error {
	p, err := d.path(namespace, run)
	if err != nil {
		return err
	}
	return os.RemoveAll(p)
}
