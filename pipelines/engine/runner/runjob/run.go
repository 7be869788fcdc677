package runjob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"slipway.dev/pipelines/jobapi/wire"
)

// Command is the argument by which the step starts this package.
const Command = "run-job"

// Limits of after_script: normally, and when the pod is about to be killed.
const (
	afterLimit        = 5 * time.Minute
	afterLimitStopped = 12 * time.Second
)

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
	return Run(ctx, c, Place{Builds: os.Getenv(wire.EnvBuilds), Self: self, Environ: os.Environ()}, out)
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
		fmt.Fprintln(out, "ERROR:", err)
		return 1
	}
	m := NewMasker(out, job.Mask)
	defer m.Flush()
	a := &attempt{Client: c, Place: p, job: job, out: m}
	code, message := a.run(ctx)
	if message != "" {
		fmt.Fprintf(m, "\033[31;1mERROR: %s\033[0;m\n", message)
	} else if code != 0 {
		fmt.Fprintf(m, "\033[31;1mERROR: Job failed: exit code %d\033[0;m\n", code)
	} else {
		fmt.Fprint(m, "\033[32;1mJob succeeded\033[0;m\n")
	}
	tell, cancel := context.WithTimeout(keep, 5*time.Second)
	defer cancel()
	// The exit code reaches the server by Kubernetes too; the report only adds words.
	_ = c.Send(tell, http.MethodPost, "/report", "application/json", jsonBody(wire.Report{ExitCode: code, Message: message}))
	return code
}

type attempt struct {
	*Client
	Place
	job     *wire.Job
	out     io.Writer
	project string
	scratch string
}

func (a *attempt) section(title string) { fmt.Fprintf(a.out, "\033[36;1m%s\033[0;m\n", title) }

func (a *attempt) run(ctx context.Context) (int, string) {
	if a.job.Verb != "" {
		return a.verb(ctx)
	}
	beside := a.startServices(ctx)
	err := a.prepare(ctx)
	if err == nil {
		err = beside.join(a)
	}
	if err != nil {
		if ctx.Err() != nil {
			return exitStopped, "the job was stopped"
		}
		return 1, err.Error()
	}
	env := a.environment()
	shell, err := findShell(a.job.Shell, lookup(env, "PATH"))
	if err != nil {
		return exitNoShell, err.Error()
	}
	limit, cancel := ctx, context.CancelFunc(func() {})
	if a.job.TimeoutSeconds > 0 {
		limit, cancel = context.WithTimeout(ctx, time.Duration(a.job.TimeoutSeconds)*time.Second)
	}
	defer cancel()
	code, message := 0, ""
	commands := append(append([]string{}, a.job.Before...), a.job.Main...)
	if code, err = script(limit, through(a.job, lookup(env, "PATH")), shell, a.project, env, commands, a.scratch, a.out); err != nil {
		message = err.Error()
	}
	status := "success"
	switch {
	case ctx.Err() != nil:
		code, message, status = exitStopped, "the job was stopped", "canceled"
	case limit.Err() != nil:
		code, status = exitTimeout, "failed"
		message = fmt.Sprintf("the job took longer than %s and was stopped", time.Duration(a.job.TimeoutSeconds)*time.Second)
	case code != 0:
		status = "failed"
	}
	a.after(ctx, shell, append(env, "CI_JOB_STATUS="+status))
	a.afterwards(ctx, beside, code)
	if err := a.upload(context.WithoutCancel(ctx), status); err != nil && code == 0 {
		return 1, "artifacts: " + err.Error()
	} else if err != nil {
		fmt.Fprintln(a.out, "WARNING: artifacts:", err)
	}
	return code, message
}

// prepare the project directory: the source, then the artifacts of the needed jobs.
func (a *attempt) prepare(ctx context.Context) error {
	if !filepath.IsLocal(a.job.Directory) {
		return fmt.Errorf("project directory %q is not below the builds directory", a.job.Directory)
	}
	a.project = filepath.Join(a.Builds, a.job.Directory)
	a.scratch = filepath.Join(a.Builds, ".slipway")
	bin := filepath.Join(a.scratch, "bin")
	for _, d := range []string{a.project, bin} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("project directory: %w", err)
		}
	}
	if err := os.Symlink(a.Self, filepath.Join(bin, VerbName)); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("slipway in PATH: %w", err)
	}
	a.section("Getting source")
	if err := a.source(ctx); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	for _, need := range a.job.Needs {
		body, err := a.Get(ctx, "/artifacts/"+need)
		var status *statusError
		if errors.As(err, &status) && status.code == http.StatusNotFound {
			continue
		}
		if err == nil {
			a.section("Getting artifacts of " + need)
			err = Unzip(body, a.project, a.scratch)
			body.Close()
		}
		if err != nil {
			return fmt.Errorf("artifacts of %s: %w", need, err)
		}
	}
	return nil
}

// environment is the container's, then the job's.
func (a *attempt) environment() []string {
	var env []string
	for _, e := range a.Environ {
		if !strings.HasPrefix(e, "TEKTON_") {
			env = append(env, e)
		}
	}
	path := lookup(a.Environ, "PATH")
	for _, v := range a.job.Env {
		if v.Name == "PATH" {
			path = v.Value
			continue
		}
		env = append(env, v.Name+"="+v.Value)
	}
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return append(env, "PATH="+path+":"+filepath.Join(a.scratch, "bin"), "CI_PROJECT_DIR="+a.project, "PWD="+a.project)
}

func lookup(env []string, name string) string {
	value := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

func (a *attempt) after(ctx context.Context, shell string, env []string) {
	if len(a.job.After) == 0 {
		return
	}
	limit := afterLimit
	if ctx.Err() != nil {
		limit = afterLimitStopped
	}
	a.section("Running after_script")
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if ctx.Err() == nil {
		// Canceled while it runs: the pod is about to be killed.
		defer context.AfterFunc(ctx, func() { time.AfterFunc(afterLimitStopped, cancel) })()
	}
	code, err := script(own, through(a.job, lookup(env, "PATH")), shell, a.project, env, a.job.After, a.scratch, a.out)
	switch {
	case err != nil:
		fmt.Fprintln(a.out, "WARNING: after_script:", err)
	case own.Err() != nil:
		fmt.Fprintln(a.out, "WARNING: after_script took too long and was stopped")
	case code != 0:
		fmt.Fprintf(a.out, "WARNING: after_script failed with exit code %d; the job's result does not change\n", code)
	}
}

func (a *attempt) upload(ctx context.Context, status string) error {
	art := a.job.Artifacts
	if art == nil || len(art.Paths) == 0 || status == "canceled" {
		return nil
	}
	if on := art.When; on == "on_failure" && status == "success" || (on == "" || on == "on_success") && status != "success" {
		return nil
	}
	files, err := match(a.project, art.Paths, art.Exclude)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		fmt.Fprintln(a.out, "WARNING: no files match the artifact paths:", strings.Join(art.Paths, ", "))
		return nil
	}
	a.section(fmt.Sprintf("Uploading artifacts (%d files)", len(files)))
	return a.Send(ctx, http.MethodPut, "/artifacts", "application/zip",
		piped(func(w io.Writer) error { return zipFiles(w, a.project, files) }))
}

// verb asks the server to do the job.
func (a *attempt) verb(ctx context.Context) (int, string) {
	limit, cancel := ctx, context.CancelFunc(func() {})
	if a.job.TimeoutSeconds > 0 {
		limit, cancel = context.WithTimeout(ctx, time.Duration(a.job.TimeoutSeconds)*time.Second)
	}
	defer cancel()
	err := a.Ask(limit, "/"+a.job.Verb, "application/json", jsonBody(struct{}{}), a.out)
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
