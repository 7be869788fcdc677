package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/disk"
)

// bench is one server with a real git client beside it.
type bench struct {
	t      testing.TB
	host   *Host
	client client.WithWatch
	server *httptest.Server
	work   string
	mu     sync.Mutex
	may    map[string]bool // verb -> allowed
}

func scheme(t testing.TB) *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func newBench(t testing.TB, objects ...client.Object) *bench {
	b := &bench{t: t, work: t.TempDir(), may: map[string]bool{"get": true, "update": true, "create": true}}
	b.client = fake.NewClientBuilder().WithScheme(scheme(t)).WithStatusSubresource(&v1alpha1.Repository{}).WithObjects(objects...).Build()
	b.host = &Host{
		Store: &Store{Dir: filepath.Join(t.TempDir(), "git")}, Client: b.client, Disk: diskOf(nil),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Authenticate: func(r *http.Request) (user.Info, bool) {
			_, token, _ := r.BasicAuth()
			if name, ok := strings.CutPrefix(token, "token-of-"); ok {
				return &user.DefaultInfo{Name: name}, true
			}
			return nil, false
		},
		Authorize: func(_ context.Context, _ user.Info, verb, _, _ string) (bool, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.may[verb], nil
		},
		Notice: func(ns, repo string, updates []Update) []string {
			var out []string
			for _, u := range updates {
				out = append(out, fmt.Sprintf("run %s-%d of %s", repo, u.Sequence, u.Ref))
			}
			return out
		},
	}
	b.server = httptest.NewServer(b.host.Handler())
	t.Cleanup(b.server.Close)
	return b
}

func (b *bench) url(repo string) string {
	return strings.Replace(b.server.URL, "http://", "http://any:token-of-ann@", 1) + "/git/" + repo + ".git"
}

func (b *bench) try(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = filepath.Join(b.work, dir)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.work, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.org",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=init.defaultBranch", "GIT_CONFIG_VALUE_0=main"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// gitIn is git with text on its standard input.
func (b *bench) gitIn(dir, in string, args ...string) string {
	b.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = filepath.Join(b.work, dir)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (b *bench) git(dir string, args ...string) string {
	b.t.Helper()
	out, err := b.try(dir, args...)
	if err != nil {
		b.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (b *bench) refused(want, dir string, args ...string) {
	b.t.Helper()
	out, err := b.try(dir, args...)
	if err == nil || !strings.Contains(out, want) {
		b.t.Fatalf("git %s: %v, want a refusal with %q:\n%s", strings.Join(args, " "), err, want, out)
	}
}

// commit makes a work tree if needed and one commit in it.
func (b *bench) commit(dir, file, text string) string {
	b.t.Helper()
	full := filepath.Join(b.work, dir)
	if _, err := os.Stat(full); err != nil {
		if err := os.MkdirAll(full, 0o755); err != nil {
			b.t.Fatal(err)
		}
		b.git(dir, "init", "-q")
	}
	name := filepath.Join(full, file)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
		b.t.Fatal(err)
	}
	b.git(dir, "add", "-A")
	b.git(dir, "commit", "-q", "-m", "write "+file)
	return b.git(dir, "rev-parse", "HEAD")
}

func (b *bench) status(repo string) v1alpha1.RepositoryStatus {
	b.t.Helper()
	var r v1alpha1.Repository
	if err := b.client.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: repo}, &r); err != nil {
		b.t.Fatal(err)
	}
	return r.Status
}

// eventually polls until ok, for things that happen beside the test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within 2 minutes: %s", what)
		case <-tick.C:
		}
	}
}

func TestPushCloneFetch(t *testing.T) {
	b := newBench(t)
	first := b.commit("shop", "README", "one")
	out := b.git("shop", "push", b.url("shop"), "main")
	if !strings.Contains(out, "remote: run shop-1 of refs/heads/main") {
		t.Fatalf("no notice in\n%s", out)
	}
	st := b.status("shop")
	got := st.Refs["refs/heads/main"]
	if got.Commit != first || got.Before != "" || got.Sequence != 1 || got.Via != "push" || got.By != "ann" || st.DefaultBranch != "main" || st.Sequence != 1 {
		t.Fatalf("status %+v", st)
	}
	for _, version := range []string{"0", "1", "2"} {
		b.git("", "-c", "protocol.version="+version, "clone", "-q", b.url("shop"), "clone"+version)
	}
	second := b.commit("shop", "README", "two")
	b.git("shop", "push", b.url("default/shop"), "main")
	b.git("clone2", "pull", "-q")
	if head := b.git("clone2", "rev-parse", "HEAD"); head != second {
		t.Fatalf("pulled %s, want %s", head, second)
	}
	if got := b.status("shop").Refs["refs/heads/main"]; got.Commit != second || got.Before != first || got.Sequence != 2 {
		t.Fatalf("status %+v", got)
	}
	b.git("", "clone", "-q", "--depth=1", b.url("shop"), "shallow")
	if n := b.git("shallow", "rev-list", "--count", "HEAD"); n != "1" {
		t.Fatalf("a shallow clone of %s commits", n)
	}
	b.git("", "clone", "-q", "--filter=blob:none", "--no-checkout", b.url("shop"), "partial")
	if p := b.git("partial", "config", "remote.origin.promisor"); p != "true" {
		t.Fatalf("filter was not taken: %s", p)
	}
	b.git("", "clone", "-q", "--bare", b.url("shop"), "bare")
}

// A client that has sent all it has may wait for as long as git works, over
// HTTP/1.1 and HTTP/2.
func TestSlowPackAndTLS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		b := newBench(t)
		b.commit("w", "a", "1")
		b.host.Idle = 200 * time.Millisecond
		b.host.Git = filepath.Join(b.work, "slow-git")
		script := "#!/bin/sh\ncase \"$*\" in *--advertise-refs*) exec git \"$@\";; esac\nf=$(mktemp " + b.work + "/in.XXXXXX)\ncat > $f\nsleep 1\nexec git \"$@\" < $f\n"
		if err := os.WriteFile(b.host.Git, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(b.host.Handler())
		s.EnableHTTP2 = h2
		s.StartTLS()
		t.Cleanup(s.Close)
		b.server = s
		url := strings.Replace(s.URL, "https://", "https://any:token-of-ann@", 1) + "/git/w.git"
		b.git("w", "-c", "http.sslVerify=false", "push", "-q", url, "main")
		b.git("", "-c", "http.sslVerify=false", "clone", "-q", url, "c")
		if b.status("w").Sequence != 1 {
			t.Fatal("not recorded")
		}
	}
}

func TestPushKinds(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	c := b.commit("w", "a", "2")
	b.git("w", "tag", "-a", "-m", "release", "v1")
	out := b.git("w", "push", "--atomic", "-o", "anything", b.url("w"), "main", "main:feature/x", "v1")
	if strings.Count(out, "remote: run w-") != 3 {
		t.Fatalf("notices:\n%s", out)
	}
	st := b.status("w")
	if st.Refs["refs/tags/v1"].Commit != c || st.Refs["refs/heads/feature/x"].Commit != c || st.Sequence != 4 {
		t.Fatalf("an annotated tag is recorded by its commit: %+v", st)
	}
	b.git("w", "commit", "-q", "--amend", "-m", "other")
	b.refused("rejected", "w", "push", b.url("w"), "main")
	b.git("w", "push", "-q", "--force", b.url("w"), "main")
	if got := b.status("w").Refs["refs/heads/main"]; got.Before != c || got.Sequence != 5 {
		t.Fatalf("force push: %+v", got)
	}
	b.git("w", "push", "-q", b.url("w"), ":feature/x")
	st = b.status("w")
	if _, there := st.Refs["refs/heads/feature/x"]; there || st.Sequence != 6 {
		t.Fatalf("deletion: %+v", st)
	}
	b.refused("deletion of the current branch prohibited", "w", "push", b.url("w"), ":main")
	// An atomic push with one stale ref changes nothing.
	b.git("w", "checkout", "-q", "-b", "new", "HEAD~1")
	stale := b.commit("w", "b", "1")
	b.refused("atomic", "w", "push", "--atomic", b.url("w"), stale+":refs/heads/main", "new")
	if _, there := b.status("w").Refs["refs/heads/new"]; there {
		t.Fatal("half of an atomic push was taken")
	}
	b.refused("is not kept here", "w", "push", b.url("w"), "HEAD:refs/pull/1/head")
}

func TestDefaultBranch(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "HEAD:trunk")
	if st := b.status("w"); st.DefaultBranch != "trunk" {
		t.Fatalf("default branch %q", st.DefaultBranch)
	}
	b.git("", "clone", "-q", b.url("w"), "c")
	if branch := b.git("c", "branch", "--show-current"); branch != "trunk" {
		t.Fatalf("clone is on %q", branch)
	}
}

func TestLargePushIsChunkedAndFetchIsGzipped(t *testing.T) {
	b := newBench(t)
	big := make([]byte, 3<<20)
	x := uint32(1)
	for i := range big {
		x = x*1664525 + 1013904223
		big[i] = byte(x >> 24)
	}
	b.commit("w", "big", string(big))
	for i := range 60 { // enough haves for the client to send gzip
		b.git("w", "commit", "-q", "--allow-empty", "-m", fmt.Sprint(i))
		b.git("w", "tag", fmt.Sprintf("t%d", i))
	}
	b.git("w", "push", "-q", "--tags", b.url("w"), "main")
	b.git("", "clone", "-q", b.url("w"), "c")
	b.commit("w", "x", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	for i := range 60 {
		b.git("c", "commit", "-q", "--allow-empty", "-m", fmt.Sprint("mine", i))
	}
	b.git("c", "-c", "protocol.version=0", "fetch", "-q")
	if len(b.status("w").Refs) != 61 {
		t.Fatal("not every tag was recorded")
	}
}

func TestWrongTokenLearnsNothing(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	answer := func(path, method string) string {
		r := httptest.NewRequest(method, path, nil)
		r.SetBasicAuth("x", "wrong")
		w := httptest.NewRecorder()
		b.host.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") {
			t.Fatalf("%s %s: %d", method, path, w.Code)
		}
		return fmt.Sprint(w.Header(), w.Body.String())
	}
	known := answer("/git/w.git/info/refs?service=git-upload-pack", "GET")
	for _, p := range []string{"/git/none.git/info/refs?service=git-upload-pack", "/git/../etc/passwd", "/git/w.git/git-receive-pack", "/git/other/w.git/HEAD"} {
		if got := answer(p, "GET"); got != known {
			t.Fatalf("%s tells more:\n%s\n%s", p, got, known)
		}
	}
	b.refused("Authentication failed", "", "clone", strings.Replace(b.url("w"), "token-of-ann", "wrong", 1), "c")
}

func TestForbiddenAndUnknownLookTheSame(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	b.may = map[string]bool{}
	b.refused("default/w is not there, or not yours to see", "", "clone", b.url("w"), "c")
	b.refused("default/x is not there, or not yours to see", "w", "push", b.url("x"), "main")
	b.may = map[string]bool{"get": true}
	b.refused("ann may read repository default/w but not push to it", "w", "push", b.url("w"), "main")
	if err := b.client.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: "x"}, &v1alpha1.Repository{}); err == nil {
		t.Fatal("a refused push made a repository")
	}
}

// diskOf has room or says why not.
func diskOf(full error) Disk { return room{full} }

type room struct{ full error }

func (r room) Room() error { return r.full }

func TestPushRefusedWhileShuttingDownAndOnFullDisk(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	b.host.Disk = diskOf(disk.Full{Free: 7 << 20, Reserve: 1 << 30})
	b.refused("nearly full: 7 MiB free", "w", "push", b.url("w"), "main:two")
	b.host.Disk = diskOf(nil)
	if err := b.host.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.refused("shutting down; push again in a moment", "w", "push", b.url("w"), "main:two")
	// The same between the two requests of one push.
	body := pkt(zeroHash+" "+b.git("w", "rev-parse", "HEAD")+" refs/heads/two\x00 report-status side-band-64k") + flushPkt
	r := httptest.NewRequest("POST", "/git/w.git/git-receive-pack", strings.NewReader(body))
	r.SetBasicAuth("x", "token-of-ann")
	r.Header.Set("Content-Type", "application/x-git-receive-pack-request")
	w := httptest.NewRecorder()
	b.host.Handler().ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "ng refs/heads/two the server is shutting down") {
		t.Fatalf("answer %q", w.Body.String())
	}
	b.git("", "clone", "-q", b.url("w"), "reading-goes-on")
}

func TestConcurrentPushesToOneRef(t *testing.T) {
	b := newBench(t)
	b.commit("base", "a", "1")
	b.git("base", "push", "-q", b.url("w"), "main")
	const n = 6
	results := make([]error, n)
	heads := make([]string, n)
	for i := range n {
		dir := fmt.Sprintf("p%d", i)
		b.git("", "clone", "-q", b.url("w"), dir)
		heads[i] = b.commit(dir, "f", dir)
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, results[i] = b.try(fmt.Sprintf("p%d", i), "push", "-q", "origin", "main")
		}()
	}
	wg.Wait()
	won := ""
	for i, err := range results {
		if err == nil {
			if won != "" {
				t.Fatal("two pushes won")
			}
			won = heads[i]
		}
	}
	if got := b.status("w").Refs["refs/heads/main"]; won == "" || got.Commit != won || got.Sequence != 2 {
		t.Fatalf("winner %q, status %+v", won, got)
	}
}

func TestReconcileRecordsWhatACrashLost(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	c := b.commit("w", "a", "2")
	dir, _ := b.host.path("default", "w")
	b.git("w", "push", "-q", dir, "main") // past the server: the status does not hear of it
	if err := b.host.Reconcile(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := b.status("w").Refs["refs/heads/main"]; got.Commit != c || got.Sequence != 2 {
		t.Fatalf("status %+v", got)
	}
	if err := b.host.Reconcile(context.Background()); err != nil || b.status("w").Sequence != 2 {
		t.Fatal("nothing changed and yet something was recorded", err)
	}
}

func TestAPIAwayPushIsRecordedLater(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	b.host.Reader = brokenReader{}
	c := b.commit("w", "a", "2")
	if out := b.git("w", "push", b.url("w"), "main"); !strings.Contains(out, "The push is stored") {
		t.Fatalf("answer\n%s", out)
	}
	b.host.Reader = b.client
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.host.Start(ctx) }()
	eventually(t, "the push is recorded", func() bool { return b.status("w").Refs["refs/heads/main"].Commit == c })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

type brokenReader struct{ client.Reader }

func (brokenReader) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errors.New("connection refused")
}

func TestRepackKeepsWhatNoRefNames(t *testing.T) {
	b := newBench(t)
	lost := b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	b.git("w", "commit", "-q", "--amend", "-m", "other")
	b.git("w", "push", "-q", "-f", b.url("w"), "main")
	dir, _ := b.host.path("default", "w")
	b.host.repack(context.Background(), dir)
	if _, err := b.host.Commit(context.Background(), "default", "w", lost); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	b.host.Log = slog.New(slog.NewTextHandler(&errs, nil))
	b.host.repack(context.Background(), dir)
	if errs.Len() > 0 {
		t.Fatal(errs.String())
	}
}
