// Package bench owns the figures that `make bench` prints and the soak test: it
// starts servers of this binary on empty data directories, in a network namespace
// of their own without a route out, uses them as people do, and takes everything
// away again. It measures from outside, never asserts an absolute time, and never
// touches another server of this machine.
//
// Start at Run; measure is the benchmark in order, soak.go the soak test.
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
	// JSON is a file that gets what is printed as JSON below the table, if not empty.
	JSON string
	// Soak runs the soak test instead, for this number of rounds.
	Soak       bool
	SoakRounds int
	// IdleFor is how long the idle server is watched.
	IdleFor time.Duration
	// Only the parts whose title has this in it; empty: all.
	Only string
	// ServerArgs are given to every `slipway server`.
	ServerArgs []string
	Out        io.Writer
}

// How long everything may take together, cleaning up not counted.
const (
	benchLimit = 15 * time.Minute
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
		ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(o.SoakRounds+1)*soakRound, errors.New("the soak test takes too long"))
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
	return newInstance(filepath.Join(b.dir, fmt.Sprint(b.began)), append(append([]string{}, b.ServerArgs...), args...))
}

// measure is the whole benchmark in order.
func (b *bench) measure(ctx context.Context) (err error) {
	rounds := 3
	if b.Only != "" {
		rounds = 1
	}
	in, err := b.boots(ctx, rounds)
	if in != nil {
		defer func() { err = errors.Join(err, in.remove(ctx)) }()
	}
	if err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		do    func(context.Context, *instance) error
	}{
		{"compiling a pipeline file", b.compile},
		{"pushing the example", b.pushes},
		{fmt.Sprintf("at idle, for %s", b.IdleFor), func(ctx context.Context, in *instance) error {
			return b.idle(ctx, in, "idle, two pods of the example")
		}},
		{"steps of a TaskRun", func(ctx context.Context, in *instance) error { return b.taskRuns(ctx, in, "") }},
		{"trivial jobs: one, ten in a row, fifty at once", b.jobs},
		{"what jobs print, keep and pass on", b.carried},
		{"a large repository, beside git http-backend", b.repositories},
		{"webhooks", b.webhooks},
		{"rendering in the child, beside the libraries", b.rendering},
		{"a container without Kubernetes", b.containers},
		{"images through Slipway and with buildctl alone", b.images},
		{fmt.Sprintf("at idle after all that, for %s", b.IdleFor), func(ctx context.Context, in *instance) error { return b.idle(ctx, in, "idle after all jobs") }},
	} {
		if !strings.Contains(part.title, b.Only) {
			continue
		}
		b.say("%s", part.title)
		if err := part.do(ctx, in); err != nil {
			return fmt.Errorf("%s: %w", part.title, err)
		}
	}
	if b.Only != "" {
		return nil
	}
	err = in.remove(ctx)
	in = &instance{}
	if err != nil {
		return err
	}
	b.say("the same steps with upstream's defaults and entrypoint")
	return b.upstreams(ctx)
}

// boots starts servers on empty directories and returns the last one running.
func (b *bench) boots(ctx context.Context, rounds int) (*instance, error) {
	b.say("empty disk to everything Ready, %d rounds", rounds)
	for i := range rounds {
		in, err := b.instance()
		if err != nil {
			return nil, err
		}
		took, err := in.start(ctx)
		if err != nil {
			return in, err
		}
		b.report.add("empty disk to everything Ready", "s", took.Seconds())
		if i == rounds-1 {
			return in, nil
		}
		if err := in.remove(ctx); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("no round")
}
