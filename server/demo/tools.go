package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"slipway.dev/server/client"
)

// serve starts `slipway server` in a session of its own, unless one answers.
func (s *story) serve(ctx context.Context) error {
	if st, err := s.Client.Status(ctx); err == nil && st.Ready {
		s.say("it runs already at %s", s.Client.Server)
		return s.fresh(ctx)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	logFile := filepath.Join(s.Client.DataDir, "logs", "server.log")
	if err := os.MkdirAll(filepath.Dir(logFile), 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, append([]string{"server", "--data-dir", s.Client.DataDir}, s.ServerArgs...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-died:
			cancel(fmt.Errorf("the server ended: %w", errors.Join(err, errors.New(tail(logFile)))))
		case <-ctx.Done():
		}
	}()
	last := ""
	_, err = s.Client.WaitReady(ctx, 3*time.Minute, func(missing string) {
		if missing != last {
			last = missing
			s.say("%5.1f s  waiting for %s", time.Since(began).Seconds(), missing)
		}
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if err != nil {
		return err
	}
	s.say("%5.1f s  everything is ready; its log is %s", time.Since(began).Seconds(), logFile)
	return s.fresh(ctx)
}

// fresh refuses to tell the story over an application that is there already.
func (s *story) fresh(ctx context.Context) error {
	var out struct{}
	if err := s.Client.Call(ctx, http.MethodGet, s.Client.Path("repositories", s.Name), nil, &out); err == nil {
		return fmt.Errorf("repository %s exists already; run `make down` and start again", s.Name)
	}
	return nil
}

func tail(file string) string {
	b, _ := os.ReadFile(file)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

func (s *story) git(ctx context.Context, args ...string) error { return s.command(ctx, "git", args...) }

// command runs a program in the work tree, its output indented. The token
// travels to git in the environment, never in an argument.
func (s *story) command(ctx context.Context, name string, args ...string) error {
	token, err := s.Client.Token()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = indent{s.Out}, indent{s.Out}
	cmd.Env = append(client.GitEnviron(token, "Demo", "demo@example.com"), "SLIPWAY_DATA_DIR="+s.Client.DataDir, "SLIPWAY_SERVER="+s.Client.Server)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return nil
}

func (s *story) push(ctx context.Context, message string) error {
	url := s.Client.Server + "/git/" + s.Name + ".git"
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--message", message}} {
		if err := s.git(ctx, args...); err != nil {
			return err
		}
	}
	s.say("$ git push %s main", url)
	s.run++
	return s.git(ctx, "push", "--quiet", url, "main")
}

func (s *story) runName() string { return fmt.Sprintf("%s-%d", s.Name, s.run) }

// version writes what the example answers with.
func (s *story) version(v string) error {
	return os.WriteFile(filepath.Join(s.dir, "VERSION"), []byte(v+"\n"), 0o644)
}

// breakProbe makes the readiness probe ask for a page that is not there.
func (s *story) breakProbe() error {
	file := filepath.Join(s.dir, "deploy", "deployment.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	i := bytes.Index(b, []byte("readinessProbe:"))
	if i < 0 {
		return fmt.Errorf("%s: no readinessProbe to break", file)
	}
	broken := bytes.Replace(b[i:], []byte("path: /"), []byte("path: /no-such-page/"), 1)
	if bytes.Equal(broken, b[i:]) {
		return fmt.Errorf("%s: the readiness probe asks for no path", file)
	}
	return os.WriteFile(file, append(b[:i:i], broken...), 0o644)
}

// answers waits until the application answers with text, and only with it.
func (s *story) answers(ctx context.Context, text string) error {
	load := startLoad(ctx, s.address)
	defer load.stop()
	return load.until(ctx, 30, text)
}

func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	// A connection for each request, so that each may reach another pod.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return string(b), err
}

// indent writes each line under the step that it belongs to.
type indent struct{ w io.Writer }

func (i indent) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if _, err := io.WriteString(i.w, "   | "+strings.TrimRight(line, "\n")+"\n"); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
