// Package bench owns the figures that `make bench` prints and the soak test: it
// starts servers of this binary on empty data directories, in a network namespace
// of their own without a route out, uses them as people do, and takes everything
// away again. It measures from outside, never asserts an absolute time, and never
// touches another server of this machine.
//
// Start at Run; parts is the benchmark in order, soak.go the soak test.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options of a benchmark.
type Options struct {
	// Example is the directory of examples/hello.
	Example string
	// Entrypoint is Tekton's own, built from its module.
	Entrypoint string
	// Commands is the directory of helm and kustomize, built from their modules.
	Commands string
	// Console is the directory of the web page's source, whose browser test is run.
	Console string
	// JSON is a file that gets what is printed as JSON below the table, if not empty.
	JSON string
	// Soak runs the soak test instead, for this number of rounds.
	Soak       bool
	SoakRounds int
	// IdleFor is how long the idle server is watched.
	IdleFor time.Duration
	// Only the parts whose title has this in it; empty: all.
	Only string
	// Applications are the numbers of applications that are reconciled, in rising order.
	Applications []int
	// Lines is how many log lines are written, and searched.
	Lines int
	// Profiles is a directory that gets profiles of the server while it reconciles them, if
	// not empty.
	Profiles string
	// ServerArgs are given to every `slipway server`.
	ServerArgs []string
	Out        io.Writer
}

// How long everything may take together, cleaning up not counted.
const (
	benchLimit = 90 * time.Minute
	soakRound  = 2 * time.Minute
)

// Run measures and prints. It runs itself again in a network namespace first.
func Run(ctx context.Context, o Options) error {
	if os.Getenv(insideEnv) == "" {
		return inNamespace(ctx)
	}
	dir, err := os.MkdirTemp("/tmp", "slb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{Options: o, dir: dir, report: newReport()}
	if o.Soak {
		ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(o.SoakRounds+3)*soakRound, errors.New("the soak test takes too long"))
		defer cancel()
		return b.soak(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, benchLimit, errors.New("the benchmark takes too long"))
	defer cancel()
	err = b.measure(ctx)
	// What was measured before a failure is still worth reading.
	err = errors.Join(err, b.report.print(o.Out))
	if o.JSON != "" {
		err = errors.Join(err, b.report.write(o.JSON))
	}
	return err
}

type bench struct {
	Options
	dir    string
	report *report
	began  int
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.Out, "== "+format+"\n", args...) }

// instance is a server on the next empty directory, not started yet.
func (b *bench) instance(args ...string) (*instance, error) {
	b.began++
	if b.Profiles != "" {
		args = append(args, "--profiling")
	}
	return newInstance(filepath.Join(b.dir, fmt.Sprint(b.began)), append(append([]string{}, b.ServerArgs...), args...))
}

// part is something that can be measured by itself, with --only and words of its title.
type part struct {
	title string
	// shared parts are done one after the other on one server, which is empty at first.
	shared func(context.Context, *instance) error
	// alone parts start their own servers and take them away.
	alone func(context.Context) error
}

// parts in order.
func (b *bench) parts() []part {
	idle := func(name string) func(context.Context, *instance) error {
		return func(ctx context.Context, in *instance) error { return b.idle(ctx, in, name) }
	}
	return []part{
		{title: "empty disk to everything Ready", alone: b.boots},
		{title: "compiling a pipeline file", alone: b.compile},
		{title: "pushing the example", shared: b.pushes},
		{title: fmt.Sprintf("at idle, for %s", b.IdleFor), shared: idle("idle, two pods of the example")},
		{title: fmt.Sprintf("observing an idle cluster, for %s", b.IdleFor), shared: b.observing},
		{title: "what jobs print, keep and pass on", shared: b.carried},
		{title: "a large repository, beside git http-backend", shared: b.repositories},
		{title: "webhooks", shared: b.webhooks},
		{title: "rendering in the child, beside helm and kustomize", shared: b.rendering},
		{title: "containers without Kubernetes", shared: b.containers},
		{title: "images through Slipway and with buildctl alone", shared: b.images},
		{title: fmt.Sprintf("at idle after all that, for %s", b.IdleFor), shared: idle("idle after all jobs")},
		{title: "metrics written and asked for", shared: b.series},
		{title: "log lines written, found and searched", shared: b.lines},
		{title: "a dashboard of 12 panels", shared: b.board},
		{title: "a dashboard in a browser", shared: b.browser},
		{title: "trivial jobs and steps, beside upstream's defaults", alone: b.compared},
		{title: "many applications", alone: b.applications},
	}
}

// measure does the parts that are wanted, in order. One that fails costs the shared server,
// and no other part.
func (b *bench) measure(ctx context.Context) (failed error) {
	var in *instance
	end := func() error {
		if in == nil {
			return nil
		}
		gone := in
		in = nil
		return gone.remove(ctx)
	}
	defer func() { failed = errors.Join(failed, end()) }()
	wanted := 0
	for _, p := range b.parts() {
		if !strings.Contains(p.title, b.Only) {
			continue
		}
		wanted++
		b.say("%s, %s", time.Now().Format(time.TimeOnly), p.title)
		var err error
		switch {
		case p.alone != nil:
			if err = end(); err == nil {
				err = p.alone(ctx)
			}
		case in == nil:
			if in, err = b.started(ctx, "--metrics-receive-writes"); err == nil {
				err = p.shared(ctx, in)
			}
		default:
			err = p.shared(ctx, in)
		}
		if err == nil {
			continue
		}
		err = errors.Join(fmt.Errorf("%s: %w", p.title, err), end())
		b.say("   %v", err)
		if failed = errors.Join(failed, err); ctx.Err() != nil {
			return failed
		}
	}
	if wanted == 0 {
		return fmt.Errorf("no part has %q in its title; see `go doc slipway.dev/server/bench` and bench.go", b.Only)
	}
	return nil
}

// started is a server on the next empty directory that is ready; remove it.
func (b *bench) started(ctx context.Context, args ...string) (*instance, error) {
	in, err := b.instance(args...)
	if err != nil {
		return nil, err
	}
	if _, err := in.start(ctx); err != nil {
		return nil, errors.Join(err, in.remove(ctx))
	}
	return in, nil
}

const bootRounds = 3

// boots starts servers on empty directories.
func (b *bench) boots(ctx context.Context) error {
	for range bootRounds {
		in, err := b.instance()
		if err != nil {
			return err
		}
		took, err := in.start(ctx)
		if err = errors.Join(err, in.remove(ctx)); err != nil {
			return err
		}
		b.report.add("empty disk to everything Ready", "s", took.Seconds())
	}
	return nil
}
