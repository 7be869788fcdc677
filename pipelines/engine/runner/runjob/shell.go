package runjob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Exit codes of our own making, as shells have them.
const (
	exitTimeout = 124
	exitNoShell = 127
	exitStopped = 143
)

// killAfter is how long a script may take to end after SIGTERM.
const killAfter = 10 * time.Second

// errNoShell has the sentence that people read.
var errNoShell = errors.New("the image has no shell (neither bash nor sh); choose an image with one, or add it to this image")

// findShell looks in the job's PATH and where shells usually are.
func findShell(wanted, path string) (string, error) {
	names := []string{"bash", "sh"}
	if wanted != "" {
		names = []string{wanted}
	}
	for _, name := range names {
		if filepath.IsAbs(name) {
			if executable(name) {
				return name, nil
			}
			continue
		}
		for _, dir := range append(filepath.SplitList(path), "/usr/local/bin", "/usr/bin", "/bin", "/busybox") {
			if p := filepath.Join(dir, name); dir != "" && executable(p) {
				return p, nil
			}
		}
	}
	if wanted != "" {
		return "", fmt.Errorf("the image has no shell %q", wanted)
	}
	return "", errNoShell
}

func executable(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// compose the script: stop at the first failing command, and echo each in green.
func compose(shell string, commands []string) string {
	var b strings.Builder
	if filepath.Base(shell) == "bash" {
		b.WriteString("set -eo pipefail\n")
	} else {
		b.WriteString("set -e\n")
	}
	for _, c := range commands {
		c = strings.TrimRight(c, "\n")
		first, _, many := strings.Cut(strings.TrimLeft(c, "\n"), "\n")
		if many {
			first += " # collapsed multi-line command"
		}
		b.WriteString("printf '\\033[32;1m$ %s\\033[0;m\\n' " + quote(first) + "\n")
		b.WriteString(c + "\n")
	}
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// script runs commands in one shell, started by entry, in dir with env; all its output goes to out. When
// ctx ends it is asked to stop, then killed; nothing it started is left. The result is
// its exit code; the error says what kept it from running.
func script(ctx context.Context, entry []string, shell, dir string, env, commands []string, scratch string, out io.Writer) (int, error) {
	f, err := os.CreateTemp(scratch, "script-*")
	if err != nil {
		return 1, fmt.Errorf("write script: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(compose(shell, commands))
	if err := errors.Join(err, f.Close()); err != nil {
		return 1, fmt.Errorf("write script: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 1, fmt.Errorf("run script: %w", err)
	}
	defer r.Close()
	line := commandLine(entry, shell, f.Name())
	cmd := exec.Command(find(line[0], lookup(env, "PATH")), line[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return 1, fmt.Errorf("run script: %w", err)
	}
	w.Close()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(out, r)
	}()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	group := -cmd.Process.Pid
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = syscall.Kill(group, syscall.SIGTERM)
		select {
		case err = <-ended:
		case <-time.After(killAfter):
			_ = syscall.Kill(group, syscall.SIGKILL)
			err = <-ended
		}
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	// A process that left the group may hold the pipe for ever.
	select {
	case <-copied:
	case <-time.After(2 * time.Second):
		r.Close()
		<-copied
	}
	return code(err), nil
}

func code(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			return 1
		}
		return 0
	}
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return exit.ExitCode()
}
