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

// preamble of every script: stop at the first command that fails, also within a pipe
// where the shell knows how.
const preamble = `if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi
set -e
set +o noclobber
`

// commands of one shell.
type commands struct {
	list []string
	// name of the sections that the commands become; "" is none.
	section string
	trace   bool
	// entry is the program that starts the shell, if not we.
	entry []string
	// variables that the environment cannot hold, as NAME=value.
	variables []string
}

// compose the script, which echoes each command in green.
func (c commands) compose() string {
	var b strings.Builder
	b.WriteString(preamble)
	for _, v := range c.variables {
		name, value, _ := strings.Cut(v, "=")
		b.WriteString(name + "=" + quote(value) + "\n")
	}
	if c.trace {
		b.WriteString("set -o xtrace\n")
	}
	for i, text := range c.list {
		text = strings.TrimRight(text, "\n")
		first, _, many := strings.Cut(strings.TrimLeft(text, "\n"), "\n")
		name := fmt.Sprintf("section_%s_step_%d", c.section, i)
		switch {
		case c.section != "":
			options := "hide_duration=true"
			if many {
				options += ",collapsed=true"
			}
			fmt.Fprintf(&b, "printf 'section_start:%%s:%s[%s]\\r\\033[0K\\033[32;1m$ %%s\\033[0;m\\n' \"$(date +%%s 2>/dev/null || echo 0)\" %s\n", name, options, quote(first))
			if _, rest, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n"); many {
				b.WriteString("printf '\\033[32;1m%s\\033[0;m\\n' " + quote(rest) + "\n")
			}
		default:
			if many {
				first += " # collapsed multi-line command"
			}
			b.WriteString("printf '\\033[32;1m$ %s\\033[0;m\\n' " + quote(first) + "\n")
		}
		b.WriteString(text + "\n")
		if c.section != "" {
			fmt.Fprintf(&b, "printf 'section_end:%%s:%s\\r\\033[0K' \"$(date +%%s 2>/dev/null || echo 0)\"\n", name)
		}
	}
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// script runs commands in one shell, in dir with env; all its output goes to out. When
// ctx ends it is asked to stop, then killed; nothing it started is left. The result is
// its exit code; the error says what kept it from running.
func script(ctx context.Context, shell, dir string, env []string, c commands, scratch string, out io.Writer) (int, error) {
	f, err := os.CreateTemp(scratch, "script-*")
	if err != nil {
		return 1, fmt.Errorf("write script: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(c.compose())
	if err := errors.Join(err, f.Close()); err != nil {
		return 1, fmt.Errorf("write script: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 1, fmt.Errorf("run script: %w", err)
	}
	defer r.Close()
	line := commandLine(c.entry, shell, f.Name())
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
