package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway.dev/cluster/controlplane"
	"slipway.dev/cluster/node"
	"slipway.dev/cluster/supervise"
	"slipway.dev/cluster/unit"
	"slipway.dev/server/config"
	"slipway.dev/server/front"
)

// stopGrace bounds each of the two steps of an orderly stop: requests and controllers at the
// same time, then the daemons; the control plane follows. Workloads go on all the same.
const stopGrace = 30 * time.Second

// A server has stopped before its unit is killed; else this does not compile.
const _ = uint64(unit.StopTimeout - 2*stopGrace - controlplane.StopLimit)

// Run boots everything and serves until ctx ends or a part that cannot be
// restarted within the process fails. Pods outlive it.
func Run(ctx context.Context, conf config.Config, log *slog.Logger, out io.Writer) error {
	began := time.Now()
	if err := checkMachine(ctx, conf); err != nil {
		return err
	}
	if err := checkObserved(conf, log); err != nil {
		return err
	}
	for _, dir := range []string{conf.DataDir, filepath.Join(conf.DataDir, "run")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	lock, err := supervise.TakeLock(filepath.Join(conf.DataDir, "run"))
	if err != nil {
		return err
	}
	defer lock.Release()

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	leave := &parting{}
	defer leave.tell(log)
	context.AfterFunc(ctx, leave.begin)
	listeners, err := listen(conf)
	if err != nil {
		return err
	}
	defer shut(listeners)
	state := newStatus()
	c, err := bootCluster(ctx, conf, state, log)
	if err != nil {
		return err
	}
	defer c.stop(leave, (*node.Node).Leave, log)
	go c.watchFailure(fail)

	s, err := newServices(ctx, conf, c, listeners, state, log)
	if err != nil {
		return err
	}
	defer leave.step("stores", func() { s.close(log) })

	var g errgroup.Group
	s.start(ctx, &g, leave, fail)
	link := fmt.Sprintf("%s/login?code=%s", conf.URL, s.door.Link(adminUser))
	fmt.Fprintf(out, "Slipway is up after %.1f s.\n\n  console   %s   (works once, for 15 minutes)\n  git       git push %s/git/NAME.git HEAD:main\n  token     %s\n  next      slipway status ; slipway kubectl get pods -A\n\n",
		time.Since(began).Seconds(), link, conf.URL, filepath.Join(conf.DataDir, "admin.token"))

	ended := leave.part("front door")
	err = front.Serve(ctx, s.door, s.listeners, stopGrace, log)
	fail(err)
	ended()
	leave.within(stopGrace, g.Wait, log)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}
