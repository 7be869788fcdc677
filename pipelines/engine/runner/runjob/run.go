package runjob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"slipway.dev/pipelines/jobapi/wire"
)

// Command is the argument by which the step starts this package.
const Command = "run-job"

// afterLimit is how long after_script may take where nobody says.
const afterLimit = 5 * time.Minute

// Main runs the job that the environment names and returns its exit code.
func Main(out io.Writer) int {
	c, err := NewClient(os.Getenv)
	if err != nil {
		fmt.Fprintln(out, "ERROR:", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	self, err := os.Executable()
	if name := os.Getenv(wire.EnvUser); err == nil && name != "" {
		err = become(name)
	}
	if err != nil {
		fmt.Fprintln(out, "ERROR:", err)
		return 1
	}
	p := Place{Builds: os.Getenv(wire.EnvBuilds), Self: self, Environ: os.Environ()}
	defer p.endAhead()
	return Run(ctx, c, p, out)
}

// Place is where a job runs.
type Place struct {
	// Builds is the directory below which the project is unpacked.
	Builds string
	// Self is this program; scripts find it in PATH as "slipway".
	Self string
	// Environ is the container's own environment; the job's variables override it.
	Environ []string
}

// Run does one attempt from fetching it to uploading what it keeps. The end of ctx
// asks it to stop: the script gets SIGTERM, after_script still runs. All output, with
// the secrets masked, goes to out; the result is the job's exit code.
func Run(ctx context.Context, c *Client, p Place, out io.Writer) int {
	keep := context.WithoutCancel(ctx)
	job, err := c.Job(ctx)
	if err != nil {
		var status *statusError
		if errors.As(err, &status) && status.code == http.StatusFailedDependency {
			return refused(keep, c, out, status.message)
		}
		fmt.Fprintln(out, "ERROR:", err)
		return 1
	}
	limit := newLimiter(out, cmp.Or(job.MaxLog, wire.MaxLog))
	m := NewMasker(limit, job.Mask)
	defer m.Flush()
	a := &attempt{Client: c, Place: p, job: job, out: m}
	r := a.run(ctx)
	limit.last()
	switch {
	case r.Message != "":
		fmt.Fprintf(m, "\033[31;1mERROR: %s\033[0;m\n", r.Message)
	case r.ExitCode != 0:
		fmt.Fprintf(m, "\033[31;1mERROR: Job failed: exit code %d\033[0;m\n", r.ExitCode)
	default:
		fmt.Fprint(m, "\033[32;1mJob succeeded\033[0;m\n")
	}
	tell, cancel := context.WithTimeout(keep, 5*time.Second)
	defer cancel()
	// The exit code reaches the server by Kubernetes too; the report only adds words.
	_ = c.Send(tell, http.MethodPost, "/report", "application/json", JSONBody(r))
	return r.ExitCode
}

// refused ends an attempt that cannot begin, and says why.
func refused(ctx context.Context, c *Client, out io.Writer, why string) int {
	fmt.Fprintf(out, "\033[31;1mERROR: %s\033[0;m\n", why)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_ = c.Send(ctx, http.MethodPost, "/report", "application/json", JSONBody(wire.Report{ExitCode: 1, Reason: reasonSystem, Message: why}))
	return 1
}

type attempt struct {
	*Client
	Place
	job     *wire.Job
	out     io.Writer
	project string
	scratch string
	shell   string
	env     []string
	// beyond are variables that the environment cannot hold.
	beyond []string
	caches []*cached
	beside *services
}

// commands in the job's own way: what starts the shell, tracing, variables.
func (a *attempt) commands(list ...string) commands {
	return commands{list: list, trace: a.job.Trace, variables: a.beyond, entry: through(a.job, lookup(a.env, "PATH"))}
}

// Reasons of a failure.
const (
	reasonScript  = "script"
	reasonTimeout = "timeout"
	reasonSystem  = "system"
)

// Job statuses as scripts see them.
const (
	running   = "running"
	succeeded = "success"
	failed    = "failed"
	canceled  = "canceled"
)

func (a *attempt) run(ctx context.Context) wire.Report {
	if a.job.Verb != "" {
		code, message := a.verb(ctx)
		return wire.Report{ExitCode: code, Message: message}
	}
	whole, cancel := ctx, context.CancelFunc(func() {})
	if limit := time.Duration(a.job.TimeoutSeconds) * time.Second; limit > 0 {
		whole, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	if r, ok := a.prepare(ctx, whole); !ok {
		return r
	}
	main := whole
	if limit := time.Duration(a.job.MainTimeoutSeconds) * time.Second; limit > 0 {
		main, cancel = context.WithTimeout(whole, limit)
		defer cancel()
	}
	cover := &coverage{Writer: a.out}
	if a.job.Coverage != "" {
		var err error
		if cover.re, err = regexp.Compile(a.job.Coverage); err != nil {
			a.warn("coverage: %v", err)
		}
	}
	var r wire.Report
	_ = a.section("step_script", "Executing \"step_script\" stage of the job script", func() error {
		list := a.commands(slices.Concat(a.job.Before, a.job.Main)...)
		if a.job.Sections {
			list.section = "script"
		}
		code, err := script(main, a.shell, a.project, a.env, list, a.scratch, cover)
		if r.ExitCode = code; err != nil {
			r.Message, r.Reason = err.Error(), reasonSystem
		}
		return nil
	})
	r.Coverage = cover.result()
	status := succeeded
	switch {
	case ctx.Err() != nil:
		r, status = stoppedReport(), canceled
	case main.Err() != nil:
		limit := cmp.Or(a.job.MainTimeoutSeconds, a.job.TimeoutSeconds)
		if whole.Err() != nil {
			limit = a.job.TimeoutSeconds
		}
		r.ExitCode, r.Reason, status = exitTimeout, reasonTimeout, failed
		r.Message = fmt.Sprintf("the job took longer than %s and was stopped", time.Duration(limit)*time.Second)
	case r.ExitCode != 0:
		status, r.Reason = failed, cmp.Or(r.Reason, reasonScript)
	}
	if code := a.after(ctx, status); code != 0 && a.job.AfterCounts && status == succeeded {
		r.ExitCode, r.Reason, status = code, reasonScript, failed
		r.Message = fmt.Sprintf("after_script failed with exit code %d", code)
	}
	a.afterwards(ctx, a.beside, r.ExitCode)
	a.pushCaches(ctx, status)
	if err := a.upload(context.WithoutCancel(ctx), status); err != nil && r.ExitCode == 0 {
		r.ExitCode, r.Message, r.Reason = 1, "artifacts: "+err.Error(), reasonScript
	} else if err != nil {
		a.warn("artifacts: %v", err)
	}
	return r
}

func stoppedReport() wire.Report {
	return wire.Report{ExitCode: exitStopped, Message: "the job was stopped"}
}

// prepare all that the script needs. If it is not ok, the report says why; the end of
// whole is a timeout, that of ctx somebody's wish.
func (a *attempt) prepare(ctx, whole context.Context) (_ wire.Report, ok bool) {
	err := a.place()
	if err == nil {
		a.env, a.beyond, err = a.environment()
	}
	if err == nil {
		if a.shell, err = findShell(a.job.Shell, lookup(a.env, "PATH")); err != nil {
			return wire.Report{ExitCode: exitNoShell, Message: err.Error(), Reason: reasonSystem}, false
		}
	}
	if err == nil {
		a.startCaches(whole)
	}
	if err == nil && len(a.job.Pre) > 0 {
		code := 0
		_ = a.section("pre_get_sources", "Running pre_get_sources_script", func() error {
			code, err = script(whole, a.shell, a.project, a.env, a.commands(a.job.Pre...), a.scratch, a.out)
			return nil
		})
		if err == nil && code != 0 && whole.Err() == nil {
			return wire.Report{ExitCode: code, Reason: reasonScript, Message: fmt.Sprintf("pre_get_sources_script failed with exit code %d", code)}, false
		}
	}
	if err == nil {
		err = a.fetch(whole)
	}
	switch {
	case ctx.Err() != nil:
		return stoppedReport(), false
	case whole.Err() != nil:
		return wire.Report{ExitCode: exitTimeout, Reason: reasonTimeout, Message: "the job's time was over before its script could start"}, false
	case err != nil:
		return wire.Report{ExitCode: 1, Reason: reasonSystem, Message: err.Error()}, false
	}
	return wire.Report{}, true
}

// place makes the directories.
func (a *attempt) place() error {
	if !filepath.IsLocal(a.job.Directory) {
		return fmt.Errorf("project directory %q is not below the builds directory", a.job.Directory)
	}
	a.project = filepath.Join(a.Builds, a.job.Directory)
	a.scratch = filepath.Join(a.Builds, ".slipway")
	bin := filepath.Join(a.scratch, "bin")
	for _, d := range []string{a.project, bin, a.shimDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("project directory: %w", err)
		}
	}
	if err := os.Symlink(a.Self, filepath.Join(bin, VerbName)); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("slipway in PATH: %w", err)
	}
	for _, name := range shims {
		if err := os.Symlink(a.Self, filepath.Join(a.shimDir(), name)); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s in PATH: %w", name, err)
		}
	}
	return nil
}

// shims are programs of these names that need no daemon: package docker.
var shims = []string{"docker", "docker-buildx", "buildctl", "buildctl-daemonless.sh"}

// shimDir has them; it comes before the image's own programs.
func (a *attempt) shimDir() string { return filepath.Join(a.scratch, "docker") }

// fetch the source and then the needed jobs' artifacts, while the caches, which come
// before them, are restored and services start.
func (a *attempt) fetch(ctx context.Context) error {
	a.beside = a.startServices(ctx)
	err := a.section("get_sources", "Getting source from Git repository", func() error {
		for try := 1; ; try++ {
			err := a.source(ctx)
			if err == nil || try >= a.job.Checkout.Attempts || ctx.Err() != nil {
				return err
			}
			a.warn("source: %v; trying again", err)
		}
	})
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if len(a.caches) > 0 {
		if err := a.section("restore_cache", "Restoring cache", func() error { return a.joinCaches(ctx) }); err != nil {
			return fmt.Errorf("cache: %w", err)
		}
	}
	if len(a.job.Needs) > 0 {
		if err := a.section("download_artifacts", "Downloading artifacts", func() error { return a.artifacts(ctx) }); err != nil {
			return err
		}
	}
	return a.beside.join(a)
}

// artifacts of the needed jobs, in order. A job that kept none is no fault.
func (a *attempt) artifacts(ctx context.Context) error {
	for _, need := range a.job.Needs {
		body, err := a.Get(ctx, "/artifacts/"+need)
		var status *statusError
		if errors.As(err, &status) && status.code == http.StatusNotFound {
			continue
		}
		if err == nil {
			fmt.Fprintf(a.out, "Downloading artifacts for %s\n", need)
			err = Unzip(body, a.project, a.scratch)
			body.Close()
		}
		if err != nil {
			return fmt.Errorf("artifacts of %s: %w", need, err)
		}
	}
	return nil
}

// after runs after_script in a shell of its own. It has its time also where the job
// was stopped or took too long; being stopped meanwhile does not end it.
func (a *attempt) after(ctx context.Context, status string) (code int) {
	if len(a.job.After) == 0 {
		return 0
	}
	limit := afterLimit
	if s := a.job.AfterTimeoutSeconds; s > 0 {
		limit = time.Duration(s) * time.Second
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	_ = a.section("after_script", "Running after_script", func() error {
		var err error
		code, err = script(own, a.shell, a.project, append(slices.Clone(a.env), "CI_JOB_STATUS="+status), a.commands(a.job.After...), a.scratch, a.out)
		switch {
		case err != nil:
			a.warn("after_script: %v", err)
		case own.Err() != nil:
			code = max(code, 1)
			a.warn("after_script took longer than %s and was stopped", limit)
		case code != 0 && !a.job.AfterCounts:
			a.warn("after_script failed with exit code %d; the job's result does not change", code)
		}
		return nil
	})
	return code
}

// verb asks the server to do the job.
func (a *attempt) verb(ctx context.Context) (int, string) {
	limit, cancel := ctx, context.CancelFunc(func() {})
	if a.job.TimeoutSeconds > 0 {
		limit, cancel = context.WithTimeout(ctx, time.Duration(a.job.TimeoutSeconds)*time.Second)
	}
	defer cancel()
	err := a.Ask(limit, "/"+a.job.Verb, "application/json", JSONBody(struct{}{}), a.out)
	switch {
	case ctx.Err() != nil:
		return exitStopped, "the job was stopped"
	case limit.Err() != nil:
		return exitTimeout, fmt.Sprintf("the job took longer than %s and was stopped", time.Duration(a.job.TimeoutSeconds)*time.Second)
	case err != nil:
		return 1, err.Error()
	}
	return 0, ""
}
