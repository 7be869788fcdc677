package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Supervisor keeps a set of children alive. Children are stopped in the
// reverse of the order in which they were started.
type Supervisor struct {
	runDir, logDir string
	log            *slog.Logger

	mu       sync.Mutex
	children []*runner
	stopping bool
}

// State is what `slipway status` shows of one child.
type State struct {
	Name     string    `json:"name"`
	PID      int       `json:"pid,omitempty"`
	Running  bool      `json:"running"`
	Ready    bool      `json:"ready"`
	Adopted  bool      `json:"adopted,omitempty"`
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"`              // of the present process, or of its end
	LastExit string    `json:"lastExit,omitempty"` // how the previous process ended
	LogFile  string    `json:"logFile"`
}

// New makes a supervisor that keeps pid files in runDir and logs in logDir.
func New(runDir, logDir string, log *slog.Logger) *Supervisor {
	return &Supervisor{runDir: runDir, logDir: logDir, log: log}
}

// Start starts a child, or adopts the one that a killed server left, and waits
// until it is ready. The child is kept alive until Stop, whatever happens to
// ctx; when ctx ends first, the error tells the last lines of the child's log.
func (s *Supervisor) Start(ctx context.Context, c Child) error {
	if err := s.Launch(c); err != nil {
		return err
	}
	return s.WaitReady(ctx, c.Name)
}

// Launch is Start without the wait.
func (s *Supervisor) Launch(c Child) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.runDir, 0o700); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return fmt.Errorf("child %s: not started: the server is stopping", c.Name)
	}
	if s.find(c.Name) != nil {
		return fmt.Errorf("child %s: started already", c.Name)
	}
	marker, err := filepath.Abs(filepath.Join(s.runDir, c.Name))
	if err != nil {
		return err
	}
	r := newRunner(c, s.runDir, s.logDir, marker, s.log.With("child", c.Name))
	first, err := r.adoptOrStart()
	if err != nil {
		return err
	}
	s.children = append(s.children, r)
	go r.run(first)
	return nil
}

// WaitReady waits until the named child is ready.
func (s *Supervisor) WaitReady(ctx context.Context, name string) error {
	s.mu.Lock()
	r := s.find(name)
	s.mu.Unlock()
	if r == nil {
		return fmt.Errorf("child %s: not started", name)
	}
	return r.waitReady(ctx)
}

// find needs s.mu.
func (s *Supervisor) find(name string) *runner {
	for _, r := range s.children {
		if r.child.Name == name {
			return r
		}
	}
	return nil
}

// Stop stops every child, last started first, and returns when they are gone
// or ctx has ended; then the rest is left as it is, for the next server to
// adopt.
func (s *Supervisor) Stop(ctx context.Context) error {
	return s.end(func(r *runner) error { return r.stop(ctx) })
}

// Leave is Stop, but for children that stay: they run on, and the next server adopts them.
func (s *Supervisor) Leave(ctx context.Context) error {
	return s.end(func(r *runner) error { return r.leave(ctx) })
}

func (s *Supervisor) end(one func(*runner) error) error {
	s.mu.Lock()
	s.stopping = true
	children := s.children
	s.mu.Unlock()
	var errs []error
	for i := len(children) - 1; i >= 0; i-- {
		errs = append(errs, one(children[i]))
	}
	return errors.Join(errs...)
}

// State reports every child, in the order of starting.
func (s *Supervisor) State() []State {
	s.mu.Lock()
	children := s.children
	s.mu.Unlock()
	states := make([]State, 0, len(children))
	for _, r := range children {
		states = append(states, r.snapshot())
	}
	return states
}
