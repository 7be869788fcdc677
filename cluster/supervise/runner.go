package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readyEvery  = 50 * time.Millisecond
	readyLimit  = 5 * time.Second // of one question
	rotateEvery = 10 * time.Second
	tailBytes   = 2048
)

// runner owns one child: its goroutine starts it again whenever it ends.
type runner struct {
	child          Child
	runDir, logDir string
	marker         string
	log            *slog.Logger

	quit chan struct{} // closed by stop
	done chan struct{} // closed when run returns
	once sync.Once
	// leaves says that the process is let go of, not stopped.
	leaves atomic.Bool

	mu    sync.Mutex
	state State
	ready chan struct{} // closed while the present process is ready
	err   error         // of stopping
}

func newRunner(c Child, runDir, logDir, marker string, log *slog.Logger) *runner {
	return &runner{
		child: c, runDir: runDir, logDir: logDir, marker: marker, log: log,
		quit: make(chan struct{}), done: make(chan struct{}), ready: make(chan struct{}),
		state: State{Name: c.Name, LogFile: LogFile(logDir, c.Name)},
	}
}

// adoptOrStart finds the child a killed server left. One with the same
// identity is adopted; any other is stopped first, so it is never doubled.
func (r *runner) adoptOrStart() (*process, error) {
	identity, err := r.child.identity()
	if err != nil {
		return nil, err
	}
	old, ok, err := ReadRecord(r.runDir, r.child.Name)
	if err != nil {
		return nil, fmt.Errorf("child %s: pid file: %w", r.child.Name, err)
	}
	if !ok || !old.Alive() {
		// Started, but killed before the pid file was written?
		if pid, found := findMarked(r.marker, r.child.argv()); found {
			if old, err = newRecord(pid, "unknown"); err == nil {
				ok = true
			}
		}
	}
	if ok && old.Alive() {
		if old.Command == identity && !r.child.Fresh {
			if p, err := attach(old); err == nil {
				r.log.Info("child adopted", "pid", old.PID)
				r.began(p, true)
				return p, nil
			}
		}
		r.log.Info("child of an earlier server replaced", "pid", old.PID)
		if err := Terminate(old, r.child.stopSignal(), r.child.stopGrace()); err != nil {
			return nil, fmt.Errorf("child %s: of an earlier server: %w", r.child.Name, err)
		}
	}
	if !r.pause(r.child.hold()) {
		return nil, fmt.Errorf("child %s: stopped", r.child.Name)
	}
	return r.start(identity)
}

func (r *runner) start(identity string) (*process, error) {
	log, err := openLog(r.logDir, r.child.Name)
	if err != nil {
		return nil, fmt.Errorf("child %s: log: %w", r.child.Name, err)
	}
	defer log.Close()
	dir := r.child.Dir
	if dir == "" {
		dir = "/"
	}
	cmd, err := spawn(r.child.Path, r.child.argv(), r.child.environ(r.marker), dir, log)
	if err != nil {
		return nil, fmt.Errorf("child %s: start: %w", r.child.Name, err)
	}
	p, err := r.own(cmd.Process.Pid, identity)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("child %s: %w", r.child.Name, err)
	}
	p.cmd = cmd
	r.began(p, false)
	return p, nil
}

// own records a process that was just started. It may have ended already; it
// is not reaped yet, so its pid is still its own.
func (r *runner) own(pid int, identity string) (*process, error) {
	record, err := newRecord(pid, identity)
	if err != nil {
		return nil, err
	}
	if err := writeRecord(r.runDir, r.child.Name, record); err != nil {
		return nil, fmt.Errorf("pid file: %w", err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd: %w", err)
	}
	cancel, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &process{record: record, pidfd: fd, cancel: cancel}, nil
}

// run is the goroutine of the child.
func (r *runner) run(p *process) {
	defer close(r.done)
	var wait backoff
	for {
		if p != nil {
			started := time.Now()
			how, stopped := r.watch(p)
			r.ended(how)
			if stopped {
				return
			}
			pause := max(wait.after(time.Since(started)), r.child.hold())
			r.log.Warn("child ended, starting it again", "how", how, "in", pause.Round(time.Millisecond),
				"log", r.state.LogFile, "last", lastLine(Tail(r.state.LogFile, tailBytes)))
			if !r.pause(pause) {
				return
			}
		}
		identity, err := r.child.identity()
		if err == nil {
			p, err = r.start(identity)
		}
		if err != nil {
			p = nil
			r.log.Error("child not started", "error", err)
			if !r.pause(wait.after(0)) {
				return
			}
			continue
		}
		r.mu.Lock()
		r.state.Restarts++
		r.mu.Unlock()
	}
}

// watch stays with one process until it ends or is stopped.
func (r *runner) watch(p *process) (how string, stopped bool) {
	ended := make(chan string, 1)
	go func() { ended <- p.wait() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asked := make(chan struct{})
	go func() { defer close(asked); r.askReady(ctx) }()
	defer func() { cancel(); <-asked }()
	ticker := time.NewTicker(rotateEvery)
	defer ticker.Stop()
	for {
		select {
		case how = <-ended:
			removeRecord(r.runDir, r.child.Name)
			return how, false
		case <-ticker.C:
			if err := rotate(r.state.LogFile, logMaxBytes, logKeep); err != nil {
				r.log.Warn("child log not rotated", "error", err)
			}
		case <-r.quit:
			if r.leaves.Load() {
				p.release()
				if how = <-ended; how != released {
					removeRecord(r.runDir, r.child.Name)
				}
				return "left running", true
			}
			err := p.terminate(r.child.stopSignal(), r.child.stopGrace(), ended)
			if err != nil {
				err = fmt.Errorf("child %s: %w", r.child.Name, err)
			} else {
				removeRecord(r.runDir, r.child.Name)
			}
			r.mu.Lock()
			r.err = err
			r.mu.Unlock()
			return "stopped", true
		}
	}
}

// askReady asks until the child is ready.
func (r *runner) askReady(ctx context.Context) {
	for r.child.Ready != nil {
		one, cancel := context.WithTimeout(ctx, readyLimit)
		err := r.child.Ready(one)
		cancel()
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(readyEvery):
		}
	}
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Ready = true
	close(r.ready)
}

func (r *runner) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.quit:
		return false
	case <-timer.C:
		return true
	}
}

func (r *runner) began(p *process, adopted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.PID, r.state.Running, r.state.Adopted, r.state.Since = p.record.PID, true, adopted, time.Now()
}

func (r *runner) ended(how string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Ready {
		r.ready = make(chan struct{})
	}
	r.state.PID, r.state.Running, r.state.Ready = 0, false, false
	r.state.LastExit, r.state.Since = how, time.Now()
	// What a program of ours ends with says why. What others print may be about anybody.
	if why, ok := strings.CutPrefix(lastLine(Tail(r.state.LogFile, tailBytes)), "slipway: "); ok && how != "exit status 0" {
		r.state.LastExit += ": " + why
	}
}

func (r *runner) snapshot() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

func (r *runner) waitReady(ctx context.Context) error {
	r.mu.Lock()
	ready := r.ready
	r.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-r.done:
		return fmt.Errorf("child %s: stopped", r.child.Name)
	case <-ctx.Done():
		st := r.snapshot()
		why := "not ready"
		if st.LastExit != "" {
			why += fmt.Sprintf(", started %d times again, last ended with %q", st.Restarts, st.LastExit)
		}
		return fmt.Errorf("child %s: %s: %w; see %s, which ends with: %s", r.child.Name, why,
			context.Cause(ctx), st.LogFile, lastLine(Tail(st.LogFile, tailBytes)))
	}
}

// leave is stop for a child that stays.
func (r *runner) leave(ctx context.Context) error {
	r.leaves.Store(r.child.Stays)
	return r.stop(ctx)
}

func (r *runner) stop(ctx context.Context) error {
	r.once.Do(func() { close(r.quit) })
	select {
	case <-r.done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.err
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("child %s: not stopped in time", r.child.Name), context.Cause(ctx))
	}
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		return text[i+1:]
	}
	return text
}
