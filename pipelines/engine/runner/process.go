package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tektoncd/pipeline/pkg/entrypoint"
)

// stopGrace is how long a step may take to end after it was asked to.
const stopGrace = 25 * time.Second

// runner executes the step's command in a process group of its own and passes
// signals on to all of it.
type runner struct{ stdout, stderr string }

var _ entrypoint.Runner = (*runner)(nil)

// Run returns the command's *exec.ExitError, or a ContextError where ctx ended first.
func (r *runner) Run(ctx context.Context, args ...string) error {
	if len(args) == 0 {
		return nil
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	var err error
	closeOut, closeErr := func() {}, func() {}
	if cmd.Stdout, closeOut, err = tee(os.Stdout, r.stdout); err != nil {
		return err
	}
	defer closeOut()
	if cmd.Stderr, closeErr, err = tee(os.Stderr, r.stderr); err != nil {
		return err
	}
	defer closeErr()

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return contextError(ctx, err)
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = syscall.Kill(-cmd.Process.Pid, s.(syscall.Signal))
			case <-done:
				return
			}
		}
	}()
	if err := cmd.Wait(); err != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return contextError(ctx, err)
	}
	return nil
}

func contextError(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return entrypoint.ErrContextDeadlineExceeded
	case errors.Is(ctx.Err(), context.Canceled):
		return entrypoint.ErrContextCanceled
	}
	return err
}

func tee(std *os.File, path string) (io.Writer, func(), error) {
	if path == "" {
		return std, func() {}, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, nil, fmt.Errorf("copy of output: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("copy of output: %w", err)
	}
	return io.MultiWriter(std, f), func() { f.Close() }, nil
}

// postWriter leaves the files that the next step waits for.
type postWriter struct{}

var _ entrypoint.PostWriter = postWriter{}

// Write makes file with content, and its directories.
func (postWriter) Write(file, content string) {
	if file == "" {
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		log.Fatalf("post file: %v", err)
	}
	if err := os.WriteFile(file, []byte(content), 0o666); err != nil {
		log.Fatalf("post file: %v", err)
	}
}
