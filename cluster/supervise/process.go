package supervise

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one running child: started by us (cmd set) or adopted. Whoever
// makes one must call wait exactly once, in a goroutine of its own.
type process struct {
	record Record
	cmd    *exec.Cmd
	pidfd  int
	cancel int // eventfd that ends the wait

	mu   sync.Mutex
	done bool
}

// attach opens a process by its record. It checks the start time after it
// holds the pidfd, so the descriptor can not be another process'.
func attach(r Record) (*process, error) {
	fd, err := unix.PidfdOpen(r.PID, 0)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", r.PID, err)
	}
	if !r.Alive() {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("process %d: gone", r.PID)
	}
	cancel, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &process{record: r, pidfd: fd, cancel: cancel}, nil
}

// spawn starts argv in a session of its own, so that a ^C on the server does
// not reach it, writing to a log file that outlives the server.
func spawn(path string, argv, env []string, dir string, log *os.File) (*exec.Cmd, error) {
	cmd := &exec.Cmd{
		Path:   path,
		Args:   argv,
		Env:    env,
		Dir:    dir,
		Stdout: log,
		Stderr: log,
		SysProcAttr: &syscall.SysProcAttr{
			Setsid: true,
		},
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return cmd, nil
}

// wait blocks until the process ends or release is called; it says how it
// ended, as far as a process that is not our child lets us know.
func (p *process) wait() string {
	how := p.poll()
	switch {
	case p.cmd == nil:
	case how == released:
		_ = p.cmd.Process.Release()
	default:
		how = "exit status 0"
		if err := p.cmd.Wait(); err != nil {
			how = err.Error()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	_ = unix.Close(p.pidfd)
	_ = unix.Close(p.cancel)
	return how
}

// released is how a process ended for which nobody waits any more.
const released = "released"

// release ends the wait, and leaves the process as it is.
func (p *process) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		_, _ = unix.Write(p.cancel, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

func (p *process) poll() string {
	fds := []unix.PollFd{
		{Fd: int32(p.pidfd), Events: unix.POLLIN},
		{Fd: int32(p.cancel), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return "lost: " + err.Error()
		}
		if fds[0].Revents != 0 {
			return "ended (adopted, status unknown)"
		}
		if fds[1].Revents != 0 {
			return released
		}
	}
}

// signal sends through the pidfd, so that a reused pid is never hit.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return os.ErrProcessDone
	}
	err := unix.PidfdSendSignal(p.pidfd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// Terminate ends a recorded process: the signal, then SIGKILL when it has not
// gone after grace. It returns nil when the process is gone, also when it was
// gone before.
func Terminate(r Record, sig syscall.Signal, grace time.Duration) error {
	p, err := attach(r)
	if err != nil {
		if r.Alive() {
			return err
		}
		return nil
	}
	ended := make(chan string, 1)
	go func() { ended <- p.wait() }()
	return p.terminate(sig, grace, ended)
}

// killWait bounds how long the kernel may take to end a killed process.
const killWait = 10 * time.Second

func (p *process) terminate(sig syscall.Signal, grace time.Duration, ended <-chan string) error {
	if err := p.signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process %d: %s: %w", p.record.PID, sig, err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
	}
	_ = p.signal(syscall.SIGKILL)
	timer.Reset(killWait)
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("process %d: still there %s after SIGKILL; it hangs in the kernel", p.record.PID, killWait)
	}
}
