package render

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"slipway.dev/cluster/api/v1alpha1"
)

const (
	memoryLimit = 768 << 20 // writable memory of the child
	cpuSeconds  = 30
	deadline    = 45 * time.Second
	nobody      = 65534
)

const (
	memoryEnv = "SLIPWAY_RENDER_MEMORY"
	cpuEnv    = "SLIPWAY_RENDER_CPU"
)

// Programs that are looked for in BinDir: the small one renders everything but charts,
// and decrypts; the other renders charts too, and takes three times as long to start.
const (
	ProgramName     = "slipway-render"
	HelmProgramName = "slipway-render-helm"
)

// Runner starts one child for each rendering.
type Runner struct {
	// BinDir may hold the programs; without them our own binary runs its verb `render`,
	// which is slower because it links Kubernetes.
	BinDir string
	// Memory, CPU and Deadline of a child; 0 means the default.
	Memory, CPU uint64
	Deadline    time.Duration
	// Parallel children at most; 0 means 2.
	Parallel int

	once  sync.Once
	slots chan struct{}
}

// enter waits for a free slot, so that many applications at once cannot need more
// memory than a few children may use.
func (r *Runner) enter(ctx context.Context) (leave func(), err error) {
	r.once.Do(func() {
		n := r.Parallel
		if n <= 0 {
			n = 2
		}
		r.slots = make(chan struct{}, n)
	})
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Render renders the tree below dir. A refusal is an *Error. The answer may have needs
// instead of a set.
func (r *Runner) Render(ctx context.Context, dir string, req Request) (*Answer, error) {
	program := ProgramName
	if req.Renderer == v1alpha1.RendererHelm || req.Chart.Archive != "" {
		program = HelmProgramName
	}
	resp, err := r.do(ctx, program, dir, job{Render: &req})
	if err == nil && len(resp.Needs) == 1 && resp.Needs[0].Kind == NeedHelm && program == ProgramName {
		resp, err = r.do(ctx, HelmProgramName, dir, job{Render: &req})
	}
	if err != nil {
		return nil, err
	}
	if len(resp.Needs) > 0 {
		return &Answer{Needs: resp.Needs}, nil
	}
	set, err := ParseSet(resp.Set)
	if err != nil {
		return nil, err
	}
	return &Answer{Set: set, Reads: resp.Reads, Clock: resp.Clock}, nil
}

// Decrypt opens files of the tree below dir. A refusal is an *Error.
func (r *Runner) Decrypt(ctx context.Context, dir string, d Decryption) ([]Plain, error) {
	resp, err := r.do(ctx, ProgramName, dir, job{Decrypt: &d})
	if err != nil {
		return nil, err
	}
	return resp.Plain, nil
}

// Find looks a chart up in the index of a chart repository that is below dir. A refusal
// is an *Error.
func (r *Runner) Find(ctx context.Context, dir string, q IndexQuery) (*IndexEntry, error) {
	resp, err := r.do(ctx, ProgramName, dir, job{Find: &q})
	if err != nil {
		return nil, err
	}
	if resp.Entry == nil {
		return nil, errors.New("render: the child's answer has no entry")
	}
	return resp.Entry, nil
}

func (r *Runner) do(ctx context.Context, program, dir string, j job) (*response, error) {
	leave, err := r.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	limit := r.Deadline
	if limit == 0 {
		limit = deadline
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, refuse("", 0, "rendering took longer than %s", limit))
	defer cancel()
	tree, err := os.OpenFile(dir, unix.O_DIRECTORY|os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	defer tree.Close()
	body, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	if len(body) > maxRequestBytes {
		return nil, refuse("", 0, "the values are larger than %d MiB", maxRequestBytes>>20)
	}
	out, err := r.run(ctx, program, tree, body)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, err
	}
	var resp response
	if err := json.Unmarshal(out, &resp); err != nil {
		return nil, fmt.Errorf("render: the child's answer: %w", err)
	}
	if resp.Error != nil {
		return nil, resp.Error
	}
	return &resp, nil
}

// limits travel in the environment: a parent without CAP_SYS_RESOURCE may not set
// those of a child with another user, but the child may lower its own (child.go).
func (r *Runner) limits() (memory, cpu uint64) {
	return cmp.Or(r.Memory, memoryLimit), cmp.Or(r.CPU, cpuSeconds)
}

func (r *Runner) environment() []string {
	memory, cpu := r.limits()
	return []string{fmt.Sprintf("%s=%d", memoryEnv, memory), fmt.Sprintf("%s=%d", cpuEnv, cpu)}
}

// program opens what to execute, so that the child needs no right to its path.
func (r *Runner) program(name string) (*os.File, []string, error) {
	if r.BinDir != "" {
		f, err := os.Open(filepath.Join(r.BinDir, name))
		if err == nil {
			return f, []string{name}, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("render: %w", err)
		}
	}
	f, err := os.Open("/proc/self/exe")
	return f, []string{"slipway", "render"}, err
}

// run executes one child: clean environment, own empty network, nobody's rights,
// bounded memory, CPU, output and time.
func (r *Runner) run(ctx context.Context, program string, tree *os.File, request []byte) ([]byte, error) {
	exe, args, err := r.program(program)
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	cmd := exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", treeFD+1))
	cmd.Args = args
	cmd.Dir = "/"
	cmd.Env = append([]string{"HOME=/nonexistent", "PATH=/nonexistent", "GOMAXPROCS=2", "GOTRACEBACK=none"}, r.environment()...)
	cmd.ExtraFiles = []*os.File{tree, exe}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	var stderr head
	out := &capped{limit: maxSetBytes + 2<<20}
	cmd.Stdout, cmd.Stderr = out, &stderr

	// The parent-death signal follows the thread that forked: keep it alive.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("render: start of the child: %w", err)
	}
	_, werr := stdin.Write(request)
	_ = stdin.Close()
	if err := cmd.Wait(); err != nil {
		return nil, r.died(err, stderr.buffer.String(), out)
	}
	if werr != nil {
		return nil, fmt.Errorf("render: request: %w", werr)
	}
	return out.buffer.Bytes(), nil
}

// died says in a user's words why a child ended without an answer.
func (r *Runner) died(err error, stderr string, out *capped) error {
	memory, cpu := r.limits()
	var exit *exec.ExitError
	switch {
	case out.over:
		return refuse("", 0, "the rendered set is larger than %d MiB", maxSetBytes>>20)
	case strings.Contains(stderr, "out of memory") || strings.Contains(stderr, "cannot allocate memory"):
		return refuse("", 0, "rendering needs more than the %d MiB it may use", memory>>20)
	case strings.Contains(stderr, "stack exceeds"):
		return refuse("", 0, "the manifests are nested too deeply")
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled():
		sig := exit.Sys().(syscall.WaitStatus).Signal()
		if sig == syscall.SIGXCPU || sig == syscall.SIGKILL {
			return refuse("", 0, "rendering was stopped: it needs more than %d s of CPU or too much memory", cpu)
		}
		return refuse("", 0, "rendering ended by signal %s", sig)
	}
	return fmt.Errorf("render: the child: %w: %s", err, strings.TrimSpace(stderr))
}

// capped keeps output up to a limit and then fails the writer. The buffer is not
// embedded: its ReadFrom would go round the limit.
type capped struct {
	buffer bytes.Buffer
	limit  int
	over   bool
}

func (c *capped) Write(p []byte) (int, error) {
	if c.buffer.Len()+len(p) > c.limit {
		c.over = true
		return 0, io.ErrShortWrite
	}
	return c.buffer.Write(p)
}

// head keeps the first few kilobytes, which is where a Go program says why.
type head struct{ buffer bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	if room := 4096 - h.buffer.Len(); room > 0 {
		h.buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
