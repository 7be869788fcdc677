// Package reset owns the taking down of everything that a server and its node
// made on a machine: processes, pods, mounts, interfaces, nftables tables,
// routes, cgroups, sockets, and on demand the data. It works with the server
// alive, stopped or killed, and never touches what belongs to another data
// directory or to another program. Start at Run; Left verifies.
package reset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"slipway.dev/cluster/network"
	"slipway.dev/cluster/node/layout"
	"slipway.dev/cluster/supervise"
	"slipway.dev/cluster/unit"
)

// Target is what is to be taken down. It is read before anything goes, so that
// Left still knows what to look for when the data directory is gone.
type Target struct {
	layout.Layout
	instance network.Instance
	current  bool     // instance is of this boot
	sockets  []string // of shims, outside the data directory
	made     []string // directories outside of it
}

// ErrNothing says that no server ever ran there, or that it was taken down already.
var ErrNothing = errors.New("nothing to take down")

// Open reads what ran on a data directory.
func Open(dataDir string) (*Target, error) {
	l, err := layout.New(dataDir)
	if err != nil {
		return nil, err
	}
	switch entries, err := os.ReadDir(l.DataDir); {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("data directory %s does not exist: %w", l.DataDir, ErrNothing)
	case err != nil:
		return nil, fmt.Errorf("data directory: %w", err)
	case len(entries) == 0: // as a reset leaves one that is a mount
		return nil, fmt.Errorf("data directory %s is empty: %w", l.DataDir, ErrNothing)
	}
	ours := false
	for _, mark := range []string{l.Instance(), l.PKI(), l.Run()} {
		if _, err := os.Stat(mark); err == nil {
			ours = true
		}
	}
	if !ours || l.DataDir == "/" {
		return nil, fmt.Errorf("data directory %s: nothing of a server in it; give the right --data-dir", l.DataDir)
	}
	t := &Target{Layout: l}
	if t.instance, t.current, err = network.ReadInstance(l); err != nil {
		return nil, err
	}
	t.sockets = shimSockets(l)
	t.made = l.Made()
	return t, nil
}

// Run takes down the server of a data directory and everything it made; with
// withData also the data.
func Run(ctx context.Context, dataDir string, withData bool) error {
	t, err := Open(dataDir)
	if err != nil {
		return err
	}
	return t.Run(ctx, withData)
}

// Run does the work. Every step is tried, also after another has failed.
func (t *Target) Run(ctx context.Context, withData bool) error {
	if err := t.stopServer(ctx); err != nil {
		return err
	}
	lock, err := supervise.TakeLock(t.Layout.Run())
	if err != nil {
		return err
	}
	defer lock.Release()
	errs := []error{t.stopDaemons()}
	t.sockets = append(t.sockets, shimSockets(t.Layout)...)
	errs = append(errs,
		t.killAll(ctx),
		t.unmountAll(),
		t.network(ctx),
		t.removeCgroups(ctx),
		t.removeFiles(),
	)
	lock.Release()
	errs = append(errs, t.removeDirs(withData))
	return errors.Join(errs...)
}

// stopServer stops the server first, or it would start its children again.
func (t *Target) stopServer(ctx context.Context) error {
	r, ok, err := supervise.ReadRecord(t.Layout.Run(), supervise.ServerName)
	if err != nil {
		return err
	}
	if !ok || !r.Alive() || r.PID == os.Getpid() {
		return nil
	}
	if unit.Runs(r.PID) {
		if err := unit.Stop(ctx); err != nil {
			return fmt.Errorf("server (pid %d): %w", r.PID, err)
		}
	}
	if err := supervise.Terminate(r, syscall.SIGTERM, unit.StopTimeout); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}

// stopDaemons stops the children that a killed server left. Containerd goes last.
func (t *Target) stopDaemons() error {
	records := supervise.Records(t.Layout.Run())
	delete(records, supervise.ServerName)
	last, hasLast := records["containerd"]
	delete(records, "containerd")
	var errs []error
	stop := func(name string, r supervise.Record) {
		if err := supervise.Terminate(r, syscall.SIGTERM, 10*time.Second); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	for name, r := range records {
		stop(name, r)
	}
	if hasLast {
		stop("containerd", last)
	}
	return errors.Join(errs...)
}

func (t *Target) network(ctx context.Context) error {
	if !t.current {
		return nil // never set up, or the machine was booted since: nothing of it is left
	}
	err := network.Within(t.instance, func() error { return network.Teardown(ctx, t.instance) })
	if errors.Is(err, network.ErrNamespaceGone) {
		return nil
	}
	return err
}

// removeDirs removes what does not survive a reset, or everything.
func (t *Target) removeDirs(withData bool) error {
	if mounts, err := t.mounts(); err != nil || len(mounts) > 0 {
		return errors.Join(err, fmt.Errorf("data directory %s: not removed, because %d file systems are still mounted below it", t.DataDir, len(mounts)))
	}
	if withData {
		err := os.RemoveAll(t.DataDir)
		if errors.Is(err, syscall.EBUSY) { // a file system of its own: it stays mounted, and is empty
			if rest, readErr := os.ReadDir(t.DataDir); readErr == nil && len(rest) == 0 {
				return nil
			}
		}
		return err
	}
	var errs []error
	for _, dir := range []string{t.Layout.Run(), t.ContainerdState(), t.CNIData(), filepath.Join(t.Kubelet(), "pods"), t.Instance()} {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// Left lists what Run should have taken away and did not.
func (t *Target) Left(ctx context.Context) ([]string, error) {
	var left []string
	for pid, why := range t.processes() {
		left = append(left, fmt.Sprintf("process %d (%s)", pid, why))
	}
	mounts, err := t.mounts()
	if err != nil {
		return nil, err
	}
	for _, m := range mounts {
		left = append(left, "mount "+m)
	}
	for _, c := range t.cgroups() {
		left = append(left, "cgroup "+c)
	}
	for _, f := range t.files() {
		left = append(left, "file "+f)
	}
	if t.current {
		err = network.Within(t.instance, func() error {
			more, err := network.Left(ctx, t.instance)
			left = append(left, more...)
			return err
		})
		if errors.Is(err, network.ErrNamespaceGone) {
			err = nil
		}
	}
	return left, err
}
