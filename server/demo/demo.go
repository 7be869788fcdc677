// Package demo owns the story that `make demo` tells: a server is started, an
// example is pushed, released, updated under load, broken, put back and rolled
// back by hand, each step checked from outside with nothing but git and HTTP. It
// holds no part of Slipway itself and leaves the server running.
//
// Start at Run, which is the story in order.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/client"
)

// Options of a telling.
type Options struct {
	Client *client.Client
	// Example is the directory of examples/hello.
	Example string
	// ServerArgs are given to `slipway server` when it has to be started.
	ServerArgs []string
	Out        io.Writer
	// Name of the repository and application.
	Name string
}

type story struct {
	Options
	dir     string // the work tree that is pushed
	address string // of the application
	started time.Time
	run     int64 // sequence of the newest push
}

// Run tells the story; an error names the step that did not hold.
func Run(ctx context.Context, o Options) error {
	s := &story{Options: o, started: time.Now()}
	dir, err := os.MkdirTemp("", "slipway-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s.dir = dir
	for i, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Start the server", s.serve},
		{"Push " + o.Example + " and follow its pipeline", s.first},
		{"Push a second version while requests keep coming", s.second},
		{"Push a version that never becomes ready", s.broken},
		{"Roll back to release 1 by hand; it holds although sync is automatic", s.rollback},
	} {
		fmt.Fprintf(o.Out, "\n%d. %s\n", i+1, step.title)
		limited, cancel := context.WithTimeout(ctx, 10*time.Minute)
		err := step.do(limited)
		cancel()
		if err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.title, err)
		}
	}
	s.next()
	return nil
}

func (s *story) say(format string, args ...any) {
	fmt.Fprintf(s.Out, "   "+format+"\n", args...)
}

func (s *story) first(ctx context.Context) error {
	if err := os.CopyFS(s.dir, os.DirFS(s.Example)); err != nil {
		return err
	}
	if err := s.git(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
		return err
	}
	if err := s.version("v1"); err != nil {
		return err
	}
	began := time.Now()
	if err := s.push(ctx, "The first version"); err != nil {
		return err
	}
	run, err := s.Client.FollowRun(ctx, indent{s.Out}, s.runName())
	if err != nil {
		return err
	}
	if run.Status.Phase != slipway.Succeeded {
		return fmt.Errorf("run %s: %s %s %v", run.Name, run.Status.Phase, run.Status.Message, run.Status.Problems)
	}
	app, err := s.Client.WaitApp(ctx, s.Name, 1)
	if err != nil {
		return err
	}
	if len(app.Status.Addresses) == 0 {
		return errors.New("the application has no address")
	}
	s.address = app.Status.Addresses[0]
	text, err := get(ctx, s.address)
	if err != nil {
		return err
	}
	if !says(text, "v1") {
		return fmt.Errorf("%s answers %q, want v1 in it", s.address, text)
	}
	s.say("healthy %.1f s after the push: %s answers %q", time.Since(began).Seconds(), s.address, firstLine(text))
	return nil
}

func (s *story) second(ctx context.Context) error {
	if err := s.version("v2"); err != nil {
		return err
	}
	load := startLoad(ctx, s.address)
	defer load.stop()
	if err := s.push(ctx, "The second version"); err != nil {
		return err
	}
	if _, err := s.Client.WaitApp(ctx, s.Name, 2); err != nil {
		return err
	}
	// The last pods of v1 may still be draining.
	if err := load.until(ctx, 50, "v2"); err != nil {
		return err
	}
	seen := load.stop()
	s.say("%s", seen)
	if seen.failed > 0 || seen.with("v1") == 0 || seen.with("v2") == 0 {
		return fmt.Errorf("the rolling update was not clean: %s %v", seen, seen.errs)
	}
	return nil
}

func (s *story) broken(ctx context.Context) error {
	if err := s.version("v3"); err != nil {
		return err
	}
	if err := s.breakProbe(); err != nil {
		return err
	}
	load := startLoad(ctx, s.address)
	defer load.stop()
	if err := s.push(ctx, "A version whose readiness probe fails"); err != nil {
		return err
	}
	rel, err := s.Client.WaitRelease(ctx, s.Name+"-3")
	if err != nil {
		return err
	}
	if rel.Status.Result != slipway.ReleaseFailed {
		return fmt.Errorf("release 3 is %s, want Failed", rel.Status.Result)
	}
	s.say("release 3 is Failed: %s", rel.Status.Reason)
	for _, e := range rel.Status.Evidence {
		s.say("  %-6s %s: %s", e.Kind, e.Object, firstLine(e.Text))
	}
	if rel.Status.Reason == "" || len(rel.Status.Evidence) == 0 {
		return errors.New("release 3 failed without a reason or evidence")
	}
	if _, err := s.Client.WaitApp(ctx, s.Name, 2); err != nil {
		return err
	}
	seen := load.stop()
	s.say("release 2 is back; %s", seen)
	if seen.failed > 0 || seen.with("v3") > 0 {
		return fmt.Errorf("the broken version was seen: %s %v", seen, seen.errs)
	}
	return nil
}

func (s *story) rollback(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.say("$ slipway app rollback %s 1", s.Name)
	if err := s.command(ctx, self, "app", "rollback", s.Name, "1"); err != nil {
		return err
	}
	if err := s.answers(ctx, "v1"); err != nil {
		return err
	}
	if err := s.git(ctx, "checkout", "--quiet", "HEAD~1", "--", "."); err != nil {
		return err
	}
	if err := s.version("v4"); err != nil {
		return err
	}
	if err := s.push(ctx, "A good version, pushed while release 1 is pinned"); err != nil {
		return err
	}
	if _, err := s.Client.WaitRun(ctx, s.runName(), func(r *slipway.Run) bool { return r.Status.Phase.Finished() }); err != nil {
		return err
	}
	app, err := s.Client.WaitApp(ctx, s.Name, 1)
	if err != nil {
		return err
	}
	if app.Spec.Pin != 1 {
		return fmt.Errorf("pin is %d, want 1", app.Spec.Pin)
	}
	if err := s.answers(ctx, "v1"); err != nil {
		return err
	}
	s.say("a push of v4 was built and waits; release 1 holds until `slipway app unpin %s`", s.Name)
	return nil
}

func (s *story) next() {
	me := os.Args[0]
	fmt.Fprintf(s.Out, `
Every step held (%s). The server goes on running.

  the application   %s
  the console       %s login-link     prints a link that logs a browser in, once
  your own          git push %s/git/NAME.git HEAD:main
                    (any user name; the password is in %s)
  look around       %s app history %s
                    %s run list
                    %s logs --app %s
                    %s kubectl get pods -A
  let v4 out        %s app unpin %s
  stop everything   make down
`, time.Since(s.started).Round(time.Second), s.address, me, s.Client.Server, filepath.Join(s.Client.DataDir, "admin.token"),
		me, s.Name, me, me, s.Name, me, me, s.Name)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
