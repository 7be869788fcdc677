package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"time"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// soak pushes, rolls out and rolls back while the server is killed at random
// moments, and checks after each round that nothing acknowledged was lost.
func (b *bench) soak(ctx context.Context) (err error) {
	in, err := b.instance()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.remove(ctx)) }()
	if _, err := in.start(ctx); err != nil {
		return err
	}
	t, err := newTree(ctx, in, "hello", b.Example)
	if err != nil {
		return err
	}
	s := &soak{tree: t, in: in, say: b.say}
	if err := s.push(ctx, 0, false); err != nil {
		return err
	}
	if err := b.hooked(ctx, in); err != nil {
		return fmt.Errorf("%w\n%s", err, in.tail())
	}
	for i := 1; i <= b.SoakRounds; i++ {
		limited, cancel := context.WithTimeout(ctx, soakRound)
		if i%3 == 0 {
			err = s.rollback(limited)
		} else {
			err = s.push(limited, i, true)
		}
		cancel()
		if err != nil {
			return fmt.Errorf("round %d: %w\n%s", i, err, in.tail())
		}
	}
	b.say("%d rounds, %d kills, %d pushes, %d runs asked again: nothing was lost", b.SoakRounds, s.kills, t.pushed, s.reruns)
	return nil
}

type soak struct {
	tree          *tree
	in            *instance
	say           func(string, ...any)
	kills, reruns int
}

// kill ends the server after a random while, as a power cut would, and starts it again.
func (s *soak) kill(ctx context.Context) error {
	after := rand.N(6 * time.Second)
	if err := pause(ctx, after); err != nil {
		return err
	}
	s.in.signal(syscall.SIGKILL)
	s.kills++
	took, err := s.in.start(ctx)
	s.say("killed after %.1f s, everything Ready again after %.1f s", after.Seconds(), took.Seconds())
	return err
}

// push pushes a change with a kill behind it, and ends when the change runs.
func (s *soak) push(ctx context.Context, round int, kill bool) error {
	commit, err := s.tree.commit(ctx, "VERSION", fmt.Sprintf("v%d\n", round))
	if err != nil {
		return err
	}
	if err := s.tree.push(ctx); err != nil {
		return err
	}
	if kill {
		if err := s.kill(ctx); err != nil {
			return err
		}
	}
	refs, err := s.tree.git(ctx, "ls-remote", s.tree.url(), "refs/heads/main")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(refs, commit) {
		return fmt.Errorf("the push of %s was acknowledged and is lost: the server has %q", commit, refs)
	}
	run, err := s.in.client.WaitRun(ctx, s.tree.run(), func(r *slipway.Run) bool { return r.Status.Phase.Finished() })
	if err != nil {
		return fmt.Errorf("the run of an acknowledged push: %w", err)
	}
	if run.Spec.Commit != commit {
		return fmt.Errorf("run %s is of %s, want %s", run.Name, run.Spec.Commit, commit)
	}
	if run.Status.Phase != slipway.Succeeded {
		// An attempt that the kill hit may be reported as failed; asked again it has to work.
		s.reruns++
		s.say("run %s is %s: %s", run.Name, run.Status.Phase, reason(run))
		if err := s.in.client.Call(ctx, http.MethodPost, s.in.client.Path("runs", run.Name, "rerun"), nil, nil); err != nil {
			return err
		}
	}
	return s.settled(ctx, func(a *slipway.Application) bool {
		return a.Spec.Desired != nil && a.Spec.Desired.Commit == commit && a.Status.Current == a.Status.Last && a.Status.Sync == "Synced"
	})
}

func reason(r *slipway.Run) string {
	text := r.Status.Message
	for _, j := range r.Status.Jobs {
		if j.Phase == slipway.Failed {
			text += fmt.Sprintf(" job %s: %s", j.Name, j.Message)
		}
	}
	return strings.TrimSpace(text)
}

// rollback pins an earlier release with a kill behind it, and then lets go of it.
func (s *soak) rollback(ctx context.Context) error {
	c := s.in.client
	before, err := c.WaitApp(ctx, s.tree.name, 0)
	if err != nil {
		return err
	}
	if err := c.Call(ctx, http.MethodPost, c.Path("applications", s.tree.name, "rollback"), map[string]any{"release": 1}, nil); err != nil {
		return err
	}
	if err := s.kill(ctx); err != nil {
		return err
	}
	if err := s.settled(ctx, func(a *slipway.Application) bool { return a.Spec.Pin == 1 && a.Status.Current == 1 }); err != nil {
		return fmt.Errorf("the rollback was acknowledged: %w", err)
	}
	if err := c.Call(ctx, http.MethodPost, c.Path("applications", s.tree.name, "unpin"), nil, nil); err != nil {
		return err
	}
	return s.settled(ctx, func(a *slipway.Application) bool {
		return a.Spec.Pin == 0 && a.Spec.Desired.Commit == before.Spec.Desired.Commit && a.Status.Current != 1
	})
}

// settled waits until the application is healthy and as wanted.
func (s *soak) settled(ctx context.Context, wanted func(*slipway.Application) bool) error {
	return until(ctx, 90*time.Second, func() error {
		var a slipway.Application
		if err := s.in.client.Call(ctx, http.MethodGet, s.in.client.Path("applications", s.tree.name), nil, &a); err != nil {
			return err
		}
		if a.Status.Health != "Healthy" || !wanted(&a) {
			return fmt.Errorf("application %s: desired %+v, pin %d, release %d of %d, %s, %s, %s",
				a.Name, a.Spec.Desired, a.Spec.Pin, a.Status.Current, a.Status.Last, a.Status.Health, a.Status.Sync, a.Status.Message)
		}
		return nil
	})
}
