package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"slipway.dev/server/client"
)

// instance is one server with its own data directory.
type instance struct {
	dir    string
	self   string
	args   []string
	env    []string // beside this program's own
	client *client.Client
	server *exec.Cmd
	ended  chan struct{}
}

func newInstance(dir string, args []string) (*instance, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if seed := filepath.Join(filepath.Dir(self), "seed"); exists(seed) {
		args = append([]string{"--seeds", seed}, args...)
	}
	return &instance{
		dir: dir, self: self, args: args,
		client: &client.Client{Server: "http://127.0.0.1:8080", DataDir: dir, Namespace: "default"},
	}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// start runs the server until everything is Ready, the node too, and returns how long that took.
func (in *instance) start(ctx context.Context) (time.Duration, error) {
	if err := os.MkdirAll(filepath.Join(in.dir, "logs"), 0o755); err != nil {
		return 0, err
	}
	log, err := os.OpenFile(in.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.Command(in.self, append([]string{"server", "--data-dir", in.dir}, in.args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), in.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	in.server, in.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) { _ = cmd.Wait(); close(ended) }(in.ended)
	if _, err := in.client.WaitReady(ctx, 2*time.Minute, func(string) {}); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, in.tail())
	}
	if err := in.nodeReady(ctx); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

func (in *instance) log() string { return filepath.Join(in.dir, "logs", "server.log") }

func (in *instance) tail() string {
	b, _ := os.ReadFile(in.log())
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// signal ends the server and waits until it has ended.
func (in *instance) signal(sig syscall.Signal) {
	if in.server == nil {
		return
	}
	_ = in.server.Process.Signal(sig)
	<-in.ended
	in.server = nil
}

// remove stops the server and takes away all that it made; also after ctx has
// ended, and again without effect.
func (in *instance) remove(ctx context.Context) error {
	if in.dir == "" || !exists(in.dir) {
		return nil
	}
	in.signal(syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 90*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, in.self, "reset", "--data", "--data-dir", in.dir).CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("reset of %s: %w", in.dir, err), errors.New(string(out)))
	}
	return nil
}
