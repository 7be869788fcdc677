package jobapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/disk"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/jobcache"
	"slipway.dev/pipelines/plan"
)

// ErrGone says that the attempt is not running: it ended, or never was.
var ErrGone = errors.New("this attempt is not running any more")

// RefusedError says why an attempt cannot begin, which trying again does not change.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// Job is one running attempt, with what the server needs to work for it.
type Job struct {
	Wire       wire.Job
	Repository string
	Commit     string
	// Ref is the full name of the branch or tag; Default whether it is deployed.
	Ref      string
	Default  bool
	Sequence int64
	By       string
	Build    *plan.Build
	Deploy   *plan.Deploy
	Checkout plan.Checkout
	Image    plan.Image
	Caches   []CacheKeys
	// Images that the run has pushed so far.
	Images []v1alpha1.Image
}

// Jobs knows the attempts that run. An unknown one is ErrGone.
type Jobs interface {
	// Begin is Job for the attempt that begins, with what is fetched for it from elsewhere.
	// What cannot be had is a *RefusedError.
	Begin(ctx context.Context, ref Ref) (*Job, error)
	Job(ctx context.Context, ref Ref) (*Job, error)
	// Known says whether the namespace has a repository of that name.
	Known(ctx context.Context, namespace, repository string) (bool, error)
	// Pushed records an image that the attempt built, once.
	Pushed(ctx context.Context, ref Ref, image v1alpha1.Image) error
	// Kept records that the attempt's artifacts are stored.
	Kept(ctx context.Context, ref Ref) error
	// Tested records the counts of the attempt's test reports.
	Tested(ctx context.Context, ref Ref, counts v1alpha1.TestCounts) error
	// Reported records how the attempt says it ended.
	Reported(ctx context.Context, ref Ref, report wire.Report) error
}

// Source reads repositories.
type Source interface {
	// Archive writes the commit as a tar.gz.
	Archive(ctx context.Context, namespace, repository, commit string, w io.Writer) error
	// Snapshot writes working tree and history as a tar in zstd.
	Snapshot(ctx context.Context, s Snapshot, w io.Writer) error
}

// Snapshot is a commit with the history below it.
type Snapshot struct {
	Namespace, Repository, Commit string
	// Ref is the full name of the branch or tag.
	Ref string
	// Depth in commits; 0: all.
	Depth int
	// NoTree: only the history.
	NoTree bool
}

// BuildRequest is one image to build.
type BuildRequest struct {
	Namespace string
	// Name of the image within the namespace, as "hello" or "shop/web".
	Name string
	Tag  string
	// Context is a tar.gz, read once.
	Context    io.Reader
	Dockerfile string
	Target     string
	Args       map[string]string
	// DockerfileText stands for Dockerfile and is not part of the context.
	DockerfileText []byte
	Labels         map[string]string
	Secrets        map[string][]byte
	NoCache        bool
	// Pull asks for the base images again.
	Pull bool
}

// Builder builds and pushes images. Building the same again is safe.
type Builder interface {
	Build(ctx context.Context, r BuildRequest, progress io.Writer) (v1alpha1.Image, error)
}

// Deployer writes desired values and waits for what becomes of them.
type Deployer interface {
	Deploy(ctx context.Context, namespace, application string, source v1alpha1.Source, desired v1alpha1.Desired) error
	// Follows says why an application does not take what is built of the default branch, in
	// words that follow its name; empty: it does.
	Follows(ctx context.Context, namespace, application, ref, commit string) (why string, err error)
	// Followers names the applications that take what is built of another ref, and says of
	// others that follow tags why they do not.
	Followers(ctx context.Context, namespace, repository, ref, commit string) (names, others []string, err error)
	// Wait returns nil once desired is healthy.
	Wait(ctx context.Context, namespace, application string, desired v1alpha1.Desired, progress io.Writer) error
}

// Server serves /api/v1/jobs/.
type Server struct {
	Tokens    *Tokens
	Jobs      Jobs
	Source    Source
	Artifacts Artifacts
	Builder   Builder
	Deployer  Deployer
	Services  Services
	// Submodules; nil: there are none.
	Submodules Submodules
	Images     Images
	Log        *slog.Logger
	// Caches that jobs share. Nil: there are none.
	Caches *jobcache.Store
}

// ArtifactName is the name under which the store keeps a job's artifacts.
func ArtifactName(job string) string { return job + ".zip" }

var _ http.Handler = (*Server)(nil)

type call struct {
	*Server
	ref Ref
	job *Job
	w   http.ResponseWriter
	r   *http.Request
}

// ServeHTTP answers /api/v1/jobs/{ns}/{run}/{job}/{attempt}[/what].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	ref, err := s.Tokens.Check(token)
	rest, inside := strings.CutPrefix(r.URL.Path, ref.Path())
	if err != nil || !inside || rest != "" && rest[0] != '/' {
		// The same answer for every fault, so that nothing is learned.
		w.Header().Set("WWW-Authenticate", "Bearer")
		fail(w, http.StatusUnauthorized, "not authorised")
		return
	}
	job, err := s.Jobs.Job(r.Context(), ref)
	if err != nil {
		s.refuse(w, ref, err)
		return
	}
	c := &call{Server: s, ref: ref, job: job, w: w, r: r}
	switch what := r.Method + " " + rest; {
	case what == "GET ":
		if c.job, err = s.Jobs.Begin(r.Context(), ref); err != nil {
			s.refuse(w, ref, err)
			return
		}
		c.entrypoint()
		c.answer(c.job.Wire)
	case what == "GET /source":
		c.snapshot(Snapshot{ref.Namespace, job.Repository, job.Commit, job.Ref, job.Checkout.Depth, job.Checkout.Skip})
	case what == "GET /submodules", strings.HasPrefix(what, "GET /submodules/"):
		c.submodules(rest)
	case strings.HasPrefix(what, "GET /artifacts/"):
		c.artifacts(strings.TrimPrefix(rest, "/artifacts/"))
	case what == "PUT /artifacts":
		c.keep()
	case what == "GET /caches":
		c.answer(c.job.Wire.Caches)
	case strings.HasPrefix(what, "GET /cache/"), strings.HasPrefix(what, "PUT /cache/"):
		c.cache(rest)
	case strings.HasPrefix(what, "PUT /reports/"):
		if err := c.reportFiles(strings.TrimPrefix(rest, "/reports/")); err != nil {
			c.refuseReport(err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case what == "POST /build":
		c.stream(c.build)
	case what == "POST /deploy":
		c.stream(c.deploy)
	case strings.HasPrefix(what, "POST /docker/"):
		c.docker(strings.TrimPrefix(rest, "/docker/"))
	case what == "GET /services":
		c.services()
	case strings.HasPrefix(what, "GET /services/"):
		c.serviceLog(rest)
	case what == "POST /report":
		c.report()
	default:
		fail(w, http.StatusNotFound, "no such route")
	}
}

func (c *call) answer(v any) {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(c.w).Encode(v)
}

func (c *call) artifacts(job string) {
	allowed := false
	for _, n := range c.job.Wire.Needs {
		allowed = allowed || n == job
	}
	if !allowed {
		fail(c.w, http.StatusNotFound, "this job does not need the artifacts of "+strconv.Quote(job))
		return
	}
	rc, err := c.Artifacts.Get(c.r.Context(), c.ref.Namespace, c.ref.Run, ArtifactName(job))
	if err != nil {
		c.refuse(c.w, c.ref, err)
		return
	}
	defer rc.Close()
	c.w.Header().Set("Content-Type", "application/zip")
	if _, err := io.Copy(c.w, rc); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (c *call) keep() {
	err := c.Artifacts.Put(c.r.Context(), c.ref.Namespace, c.ref.Run, ArtifactName(c.ref.Job), c.r.Body, wire.MaxArtifacts)
	if err == nil {
		err = c.Jobs.Kept(c.r.Context(), c.ref)
	}
	if err != nil {
		c.refuse(c.w, c.ref, err)
		return
	}
	c.w.WriteHeader(http.StatusNoContent)
}

func (c *call) report() {
	var rep wire.Report
	if err := json.NewDecoder(io.LimitReader(c.r.Body, wire.MaxReportSize)).Decode(&rep); err != nil {
		fail(c.w, http.StatusBadRequest, "the report is not understood")
		return
	}
	if err := c.Jobs.Reported(c.r.Context(), c.ref, rep); err != nil {
		c.refuse(c.w, c.ref, err)
		return
	}
	c.w.WriteHeader(http.StatusNoContent)
}

func (s *Server) refuse(w http.ResponseWriter, ref Ref, err error) {
	code := http.StatusInternalServerError
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		code = http.StatusFailedDependency
	case errors.Is(err, ErrGone):
		code = http.StatusGone
	case errors.Is(err, os.ErrNotExist):
		code = http.StatusNotFound
	case errors.Is(err, ErrTooLarge):
		code = http.StatusRequestEntityTooLarge
	case errors.As(err, new(disk.Full)):
		code = http.StatusInsufficientStorage
	}
	if code == http.StatusInternalServerError {
		s.Log.Error("job request", "job", ref.String(), "err", err)
	}
	fail(w, code, err.Error())
}

func fail(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"message": message}})
}

// counted knows whether anything was sent, and so whether an error can still be.
type counted struct {
	http.ResponseWriter
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n += int64(n)
	return n, err
}

func short(commit string) string { return fmt.Sprintf("%.12s", commit) }
