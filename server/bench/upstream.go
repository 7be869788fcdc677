package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"slipway.dev/cluster/payload"
)

// comparedRounds are how often the servers take turns.
const comparedRounds = 2

// compared runs the same trivial jobs and steps here and on a second start of this binary,
// with upstream's settings of kubelet and Tekton and with Tekton's own entrypoint: in
// turns, so that what else the machine does meets both.
func (b *bench) compared(ctx context.Context) error {
	for i := range comparedRounds {
		b.say("   round %d of %d: here", i+1, comparedRounds)
		if err := b.ours(ctx); err != nil {
			return err
		}
		b.say("   round %d of %d: upstream's defaults", i+1, comparedRounds)
		if err := b.upstreams(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) ours(ctx context.Context) (err error) {
	in, err := b.started(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.remove(ctx)) }()
	if err := b.taskRuns(ctx, in, ""); err != nil {
		return err
	}
	return b.jobs(ctx, in)
}

func (b *bench) upstreams(ctx context.Context) (err error) {
	dir := filepath.Join(b.dir, "upstream")
	if !exists(dir) {
		if err := otherEntrypoint(dir, b.Entrypoint); err != nil {
			return err
		}
	}
	in, err := b.instance("--upstream-defaults")
	if err != nil {
		return err
	}
	in.env = append(in.env, payload.DirectoryVariable+"="+dir)
	defer func() { err = errors.Join(err, in.remove(ctx)) }()
	if _, err := in.start(ctx); err != nil {
		return err
	}
	if err := b.taskRuns(ctx, in, upstream); err != nil {
		return err
	}
	return b.pipelineRuns(ctx, in)
}

// otherEntrypoint makes dir a payload as this program's, with the program
// entrypoint in place of the runner.
func otherEntrypoint(dir, entrypoint string) error {
	p, err := payload.Default()
	if err != nil {
		return err
	}
	for _, e := range p.Entries() {
		if err := copyEntry(p, e.Name, filepath.Join(dir, e.Name)); err != nil {
			return fmt.Errorf("payload %s: %w", e.Name, err)
		}
	}
	b, err := os.ReadFile(entrypoint)
	if err != nil {
		return fmt.Errorf("tekton's entrypoint (go build -o %s github.com/tektoncd/pipeline/cmd/entrypoint): %w", entrypoint, err)
	}
	return os.WriteFile(filepath.Join(dir, "runner"), b, 0o755)
}

func copyEntry(p *payload.Payload, name, to string) (err error) {
	r, err := p.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, r)
	return err
}
