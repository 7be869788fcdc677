package bench

import (
	"context"
	"fmt"
	"time"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// pushRounds follow one that warms the caches and is not counted.
const pushRounds = 3

// pushes changes the example and pushes it, again and again.
func (b *bench) pushes(ctx context.Context, in *instance) error {
	t, err := newTree(ctx, in, "hello", b.Example)
	if err != nil {
		return err
	}
	for i := range pushRounds + 1 {
		if _, err := t.commit(ctx, "VERSION", fmt.Sprintf("v%d\n", i)); err != nil {
			return err
		}
		began := time.Now()
		if err := t.push(ctx); err != nil {
			return err
		}
		took, err := follow(ctx, t, began)
		if err != nil {
			return err
		}
		for _, p := range took {
			if i > 0 {
				b.report.add(p.name, "s", p.after.Seconds())
			}
		}
	}
	return nil
}

type passed struct {
	name  string
	after time.Duration
}

// follow tells when what a push causes was seen by a client of the event stream.
func follow(ctx context.Context, t *tree, began time.Time) ([]passed, error) {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	out := []passed{{"git push returned", time.Since(began)}}
	c := t.in.client
	for _, step := range []struct {
		name string
		seen func(*slipway.Run) bool
	}{
		{"push to run started", func(r *slipway.Run) bool { return r.Status.StartedAt != nil }},
		{"push to image pushed", hasImage},
	} {
		r, err := c.WaitRun(ctx, t.run(), func(r *slipway.Run) bool { return step.seen(r) || r.Status.Phase.Finished() })
		if err != nil {
			return nil, err
		}
		if !step.seen(r) {
			return nil, fmt.Errorf("run %s is %s: %s", r.Name, r.Status.Phase, r.Status.Message)
		}
		after := time.Since(began)
		if step.name == "push to run started" {
			after = r.Status.StartedAt.Sub(began)
		}
		out = append(out, passed{step.name, after})
	}
	if _, err := c.WaitApp(ctx, t.name, t.pushed); err != nil {
		return nil, err
	}
	return append(out, passed{"push to new pods Ready", time.Since(began)}), nil
}

func hasImage(r *slipway.Run) bool {
	for _, j := range r.Status.Jobs {
		if len(j.Images) > 0 {
			return true
		}
	}
	return false
}
