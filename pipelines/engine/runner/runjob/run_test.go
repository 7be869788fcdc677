package runjob

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/jobcache"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/submodule"
)

// jobs is the server's side of one attempt.
type jobs struct {
	mu      sync.Mutex
	job     jobapi.Job
	images  []v1alpha1.Image
	kept    bool
	reports []wire.Report
	modules []submodule.Found
	refusal string
}

func (j *jobs) Job(_ context.Context, _ jobapi.Ref) (*jobapi.Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.job
	return &c, nil
}
func (j *jobs) Begin(ctx context.Context, ref jobapi.Ref) (*jobapi.Job, error) {
	if j.refusal != "" {
		return nil, &jobapi.RefusedError{Reason: j.refusal}
	}
	return j.Job(ctx, ref)
}
func (j *jobs) Pushed(_ context.Context, _ jobapi.Ref, i v1alpha1.Image) error {
	j.images = append(j.images, i)
	return nil
}
func (j *jobs) Known(_ context.Context, _, name string) (bool, error) { return name == "victim", nil }
func (j *jobs) Kept(context.Context, jobapi.Ref) error                { j.kept = true; return nil }
func (j *jobs) Reported(_ context.Context, _ jobapi.Ref, r wire.Report) error {
	j.reports = append(j.reports, r)
	return nil
}

type source map[string]string

func (s source) Archive(_ context.Context, _, _, _ string, w io.Writer) error {
	gz := gzip.NewWriter(w)
	tw := tar.NewWriter(gz)
	for name, text := range s {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := io.WriteString(tw, text); err != nil {
			return err
		}
	}
	return errors.Join(tw.Close(), gz.Close())
}

func (s source) Snapshot(_ context.Context, of jobapi.Snapshot, w io.Writer) error {
	if of.Repository == "lib" || of.Repository == "deep" {
		s = source{of.Repository + ".txt": of.Commit, ".git/config": ""}
	}
	zw, err := zstd.NewWriter(w)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	for name, text := range s {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := io.WriteString(tw, text); err != nil {
			return err
		}
	}
	return errors.Join(tw.Close(), zw.Close())
}

type builder struct{ got jobapi.BuildRequest }

func (b *builder) Build(_ context.Context, r jobapi.BuildRequest, w io.Writer) (v1alpha1.Image, error) {
	b.got = r
	if _, err := io.Copy(io.Discard, r.Context); err != nil {
		return v1alpha1.Image{}, err
	}
	io.WriteString(w, "#1 building\n")
	return v1alpha1.Image{Name: v1alpha1.RegistryHost + "/default/" + r.Name, Digest: "sha256:abc"}, nil
}

type deployer struct {
	desired  v1alpha1.Desired
	previews map[string]string // application by ref
	others   []string
	why      string // why the default branch is not what is followed
	of       string
}

func (d *deployer) Deploy(_ context.Context, _, application string, _ v1alpha1.Source, v v1alpha1.Desired) error {
	d.desired, d.of = v, application
	return nil
}

func (d *deployer) Followers(_ context.Context, _, _, ref, _ string) (names, others []string, err error) {
	if name := d.previews[ref]; name != "" {
		return []string{name}, d.others, nil
	}
	return nil, d.others, nil
}

func (d *deployer) Follows(context.Context, string, string, string, string) (string, error) {
	return d.why, nil
}

func (d *deployer) Wait(_ context.Context, _, _ string, _ v1alpha1.Desired, w io.Writer) error {
	io.WriteString(w, "rolling out\n")
	return errors.New("release shop-1 failed: readiness probe")
}

func (j *jobs) Tested(context.Context, jobapi.Ref, v1alpha1.TestCounts) error { return nil }

type world struct {
	*jobs
	builder  builder
	deployer deployer
	store    jobapi.Dir
	caches   jobcache.Store
	client   *Client
	place    Place
	ref      jobapi.Ref
}

func newWorld(t *testing.T, j wire.Job) *world {
	t.Helper()
	w := &world{jobs: &jobs{}, store: jobapi.Dir(t.TempDir()), ref: jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "test", Attempt: 1}}
	j.Directory = "default/shop"
	w.job = jobapi.Job{Wire: j, Repository: "shop", Commit: strings.Repeat("a", 40), Ref: "refs/heads/main", Default: true, Sequence: 1}
	tokens, err := jobapi.NewTokens(bytes.Repeat([]byte("k"), jobapi.MinKey))
	if err != nil {
		t.Fatal(err)
	}
	w.caches.Dir = t.TempDir()
	srv := httptest.NewServer(&jobapi.Server{Tokens: tokens, Jobs: w.jobs, Source: source{"README": "hello\n", "dir/a.txt": "a", ".git/config": "[core]\n", ".gitmodules": ""}, Submodules: w.jobs,
		Artifacts: w.store, Caches: &w.caches, Builder: &w.builder, Deployer: &w.deployer, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(srv.Close)
	w.client = &Client{URL: srv.URL + w.ref.Path(), Token: tokens.Issue(w.ref, time.Now().Add(time.Hour)), HTTP: srv.Client(), Patience: time.Second}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.place = Place{Builds: t.TempDir(), Self: self, Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=/tmp"}}
	return w
}

func (w *world) run(ctx context.Context) (int, string) {
	var out bytes.Buffer
	code := Run(ctx, w.client, w.place, &out)
	return code, out.String()
}

func contains(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestScriptSeesSourceAndVariablesAndHidesSecrets(t *testing.T) {
	w := newWorld(t, wire.Job{
		Env:  []wire.Variable{{Name: "GREETING", Value: "hi there"}, {Name: "TOKEN", Value: "s3cr3t-value"}},
		Mask: [][]byte{[]byte("s3cr3t-value")}, Before: []string{"cat README"},
		Main:  []string{`echo "$GREETING"`, `printf 's3cr'; printf '3t-value\n'`, "X=1\necho two $X", `test "$CI_PROJECT_DIR" = "$PWD"`},
		After: []string{"echo status $CI_JOB_STATUS"},
	})
	code, out := w.run(t.Context())
	if code != 0 {
		t.Fatalf("code %d\n%s", code, out)
	}
	contains(t, out, "hello", "hi there", "$ cat README", "[MASKED]", "two 1", "status success", "Job succeeded")
	if strings.Contains(out, "s3cr3t-value") {
		t.Errorf("the secret is in the log:\n%s", out)
	}
}

// TestAttemptThatCannotBegin says why, at once, in its log and its report.
func TestAttemptThatCannotBegin(t *testing.T) {
	w := newWorld(t, wire.Job{Main: []string{"true"}})
	w.refusal = "secrets: vault https://v: permission denied (403)"
	var out bytes.Buffer
	if code := Run(t.Context(), w.client, w.place, &out); code != 1 || !strings.Contains(out.String(), "permission denied") {
		t.Errorf("%d\n%s", code, out.String())
	}
	if len(w.reports) != 1 || w.reports[0].Reason != reasonSystem || w.reports[0].Message != w.refusal {
		t.Errorf("%+v", w.reports)
	}
}

func TestExitCodeIsKeptAndLaterCommandsDoNotRun(t *testing.T) {
	w := newWorld(t, wire.Job{Main: []string{"sh -c 'exit 42'", "echo never"}, After: []string{"echo $CI_JOB_STATUS; exit 3"}})
	code, out := w.run(t.Context())
	if code != 42 || strings.Contains(out, "\nnever") {
		t.Fatalf("code %d\n%s", code, out)
	}
	contains(t, out, "failed", "after_script failed with exit code 3", "exit code 42")
}

func TestPipefailWithBash(t *testing.T) {
	if _, err := findShell("bash", os.Getenv("PATH")); err != nil {
		t.Logf("this machine has no bash: %v", err)
		return
	}
	if code, out := newWorld(t, wire.Job{Main: []string{"false | true"}}).run(t.Context()); code != 1 {
		t.Fatalf("code %d\n%s", code, out)
	}
}

func TestTimeoutStopsTheScriptAndRunsAfterScript(t *testing.T) {
	w := newWorld(t, wire.Job{TimeoutSeconds: 1, Main: []string{"sleep 60 & sleep 60"}, After: []string{"echo after ran"}})
	code, out := w.run(t.Context())
	if code != exitTimeout {
		t.Fatalf("code %d\n%s", code, out)
	}
	contains(t, out, "after ran", "took longer than 1s")
	if len(w.reports) != 1 || !strings.Contains(w.reports[0].Message, "longer") {
		t.Errorf("reports %v", w.reports)
	}
}

// stopper cancels once the text was printed.
type stopper struct {
	bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (s *stopper) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Contains(s.String(), s.text) {
		s.cancel()
	}
	return n, err
}

func TestCancelPassesTheSignalOnAndRunsAfterScript(t *testing.T) {
	w := newWorld(t, wire.Job{Main: []string{`trap 'echo got the signal; exit 9' TERM; echo rea''dy; sleep 300 & wait`}, After: []string{"echo after $CI_JOB_STATUS"}})
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopper{text: "\nready", cancel: cancel}
	began := time.Now()
	code := Run(ctx, w.client, w.place, out)
	if code != exitStopped || time.Since(began) > 4*time.Minute {
		t.Fatalf("code %d after %s\n%s", code, time.Since(began), out)
	}
	contains(t, out.String(), "got the signal", "after canceled")
}

func TestArtifactsGoFromOneJobToTheNext(t *testing.T) {
	w := newWorld(t, wire.Job{Main: []string{"mkdir -p out/deep && echo one > out/deep/x.txt && echo two > out/y.log && ln -s y.log out/link"},
		Artifacts: &wire.Artifacts{Paths: []string{"out/"}, Exclude: []string{"**/*.skip"}}})
	if code, out := w.run(t.Context()); code != 0 || !w.kept {
		t.Fatalf("code %d kept %v\n%s", code, w.kept, out)
	}
	w.job.Wire = wire.Job{Directory: "default/shop", Needs: []string{"test", "nothing"}, Main: []string{"cat out/deep/x.txt out/link"}}
	w.place.Builds = t.TempDir()
	code, out := w.run(t.Context())
	if code != 0 {
		t.Fatalf("code %d\n%s", code, out)
	}
	contains(t, out, "one", "two")
}

func TestImageWithoutAShellSaysSo(t *testing.T) {
	if _, err := findShell("", "/nonexistent"); err != nil && !errors.Is(err, errNoShell) {
		t.Fatal(err)
	}
	w := newWorld(t, wire.Job{Shell: "/no/such/shell", Main: []string{"true"}})
	code, out := w.run(t.Context())
	if code != exitNoShell {
		t.Fatalf("code %d\n%s", code, out)
	}
	contains(t, out, "has no shell")
}

func TestBuildJobIsDoneByTheServer(t *testing.T) {
	w := newWorld(t, wire.Job{Verb: "build"})
	w.job.Build = &plan.Build{Dockerfile: "Dockerfile", Context: "dir", Image: v1alpha1.RegistryHost + "/default/shop"}
	code, out := w.run(t.Context())
	if code != 0 || len(w.images) != 1 || w.builder.got.Name != "shop" {
		t.Fatalf("code %d images %v\n%s", code, w.images, out)
	}
	contains(t, out, "#1 building", "Pushed registry.slipway.internal/default/shop@sha256:abc")
}

func TestFailedReleaseFailsTheDeployJobWithItsReason(t *testing.T) {
	w := newWorld(t, wire.Job{Verb: "deploy"})
	w.job.Images = []v1alpha1.Image{{Name: "x", Digest: "sha256:1"}}
	code, out := w.run(t.Context())
	if code != 1 || len(w.deployer.desired.Images) != 1 {
		t.Fatalf("code %d\n%s", code, out)
	}
	contains(t, out, "rolling out", "readiness probe")
}

func TestBranchBuildsButDoesNotDeploy(t *testing.T) {
	w := newWorld(t, wire.Job{Verb: "deploy"})
	w.job.Default, w.job.Ref = false, "refs/heads/feature"
	code, out := w.run(t.Context())
	if code != 0 || w.deployer.desired.Commit != "" {
		t.Fatalf("code %d\n%s", code, out)
	}
	contains(t, out, "not the default branch")
}

func TestBranchIsDeployedToItsPreview(t *testing.T) {
	w := newWorld(t, wire.Job{Verb: "deploy"})
	w.job.Default, w.job.Ref = false, "refs/heads/feature"
	w.job.Images = []v1alpha1.Image{{Name: "shop", Digest: "sha256:1"}}
	w.deployer.previews = map[string]string{"refs/heads/feature": "shop-feature"}
	_, out := w.run(t.Context())
	contains(t, out, "Application shop-feature: commit aaaa", "rolling out")
	if d := w.deployer.desired; w.deployer.of != "shop-feature" || d.Images[0].Commit != w.job.Commit || d.Images[0].Run != "shop-1" {
		t.Fatalf("%s %+v", w.deployer.of, d)
	}
}

func TestTagIsDeployedToWhatFollowsIt(t *testing.T) {
	w := newWorld(t, wire.Job{Verb: "deploy"})
	w.job.Default, w.job.Ref = false, "refs/tags/v1.2.0"
	w.deployer.previews, w.deployer.others = map[string]string{"refs/tags/v1.2.0": "shop"}, []string{"old follows tags 0.x"}
	_, out := w.run(t.Context())
	contains(t, out, "Application old follows tags 0.x.", "Application shop: commit aaaa", "rolling out")
	if d := w.deployer.desired; w.deployer.of != "shop" || d.Revision != w.job.Ref {
		t.Fatalf("%s %+v", w.deployer.of, d)
	}
}

// What another job of the run still builds is not deployed before that.
func TestTagIsDeployedToTheOneThatIsNamed(t *testing.T) {
	w := newWorld(t, wire.Job{Verb: "deploy"})
	w.job.Deploy = &plan.Deploy{Application: "other"}
	w.job.Default, w.job.Ref = false, "refs/tags/v1.2.0"
	w.deployer.previews, w.deployer.others = map[string]string{"refs/tags/v1.2.0": "shop"}, []string{"old follows tags 0.x", "other follows tag v1"}
	code, out := w.run(t.Context())
	if code != 0 || w.deployer.desired.Commit != "" || strings.Contains(out, "old follows") {
		t.Fatalf("code %d\n%s", code, out)
	}
	contains(t, out, "built, not deployed.", "Application other follows tag v1.")
}

func TestDefaultBranchIsNotDeployedToWhatFollowsTags(t *testing.T) {
	w := newWorld(t, wire.Job{Verb: "deploy"})
	w.deployer.why = "follows tags 1.x"
	code, out := w.run(t.Context())
	if code != 0 || w.deployer.desired.Commit != "" {
		t.Fatalf("code %d\n%s", code, out)
	}
	contains(t, out, "follows tags 1.x: built, not deployed.")
}

func TestTokenOfAnotherAttemptLearnsNothing(t *testing.T) {
	w := newWorld(t, wire.Job{})
	w.client.URL = strings.TrimSuffix(w.client.URL, "/1") + "/12"
	_, err := w.client.Job(t.Context())
	var status *statusError
	if !errors.As(err, &status) || status.code != 401 || status.message != "not authorised" {
		t.Fatalf("err %v", err)
	}
}

func TestArchiveTraversalIsRefused(t *testing.T) {
	for _, name := range []string{"../evil", "/etc/evil", "a/../../evil"} {
		var b bytes.Buffer
		if err := (source{name: "x"}).Snapshot(t.Context(), jobapi.Snapshot{}, &b); err != nil {
			t.Fatal(err)
		}
		if err := UntarZstd(&b, t.TempDir()); err == nil {
			t.Errorf("%q was unpacked", name)
		}
	}
	// A link out of the directory may be there, but nothing is written through it.
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := (source{"link/evil": "x"}).Snapshot(t.Context(), jobapi.Snapshot{}, &b); err != nil {
		t.Fatal(err)
	}
	if err := UntarZstd(&b, dir); err == nil {
		t.Error("written through a link")
	}
	if _, err := os.Stat(filepath.Join(outside, "evil")); err == nil {
		t.Error("the file is outside")
	}
}

func FuzzMasker(f *testing.F) {
	f.Add("abcdsecretefsecsecret", "secret", uint8(3))
	f.Fuzz(func(t *testing.T, text, secret string, step uint8) {
		if len(secret) < minMask || strings.Contains(masked, secret) || step == 0 {
			return
		}
		var b bytes.Buffer
		m := NewMasker(&b, [][]byte{[]byte(secret)})
		for i := 0; i < len(text); i += int(step) {
			if _, err := m.Write([]byte(text[i:min(i+int(step), len(text))])); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Flush(); err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(text, secret, masked); b.String() != want {
			t.Errorf("%q, want %q", b.String(), want)
		}
	})
}

func FuzzUntarZstd(f *testing.F) {
	var b bytes.Buffer
	if err := (source{"a/b": "x"}).Snapshot(context.Background(), jobapi.Snapshot{}, &b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) { _ = UntarZstd(bytes.NewReader(data), t.TempDir()) })
}
