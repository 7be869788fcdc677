package git

import (
	"context"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway.dev/gitops/git/large"
)

// TestMirrorOfALargeRepository is a soak test: with SLIPWAY_SOAK it mirrors 100,000
// commits of about 1 GB, and else a few. It says how long it took and how much memory,
// of this process and of git, and fails where memory grows with the repository.
func TestMirrorOfALargeRepository(t *testing.T) {
	shape := large.Shape{Commits: 300, Files: 50, Bytes: 4000}
	if os.Getenv("SLIPWAY_SOAK") != "" {
		shape = large.Soak
	}
	up := upstream(t)
	up.commit("w", "a", "1")
	up.git("w", "push", "-q", up.url("w"), "main")
	dir, _ := up.host.path("default", "w")
	made := filepath.Join(t.TempDir(), "made.git")
	if err := large.Make(t.Context(), made, shape); err != nil {
		t.Fatal(err)
	}
	// In place of the small one: what is measured is the mirror, not a push.
	if err := os.RemoveAll(filepath.Join(dir, "objects")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(made, "objects"), filepath.Join(dir, "objects")); err != nil {
		t.Fatal(err)
	}
	head, err := os.ReadFile(filepath.Join(made, "refs", "heads", "main"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "refs", "heads", "main"), head, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	src := Source{URL: up.open("w"), Remote: Remote{Private: true, Timeout: time.Hour, MaxFetch: 8 << 30}}
	for _, step := range []string{"first mirror", "nothing new", "one commit more"} {
		if step == "one commit more" {
			tree := up.git("", "--git-dir", dir, "rev-parse", "main^{tree}")
			next := up.git("", "--git-dir", dir, "commit-tree", "-p", "main", "-m", "more", tree)
			up.git("", "--git-dir", dir, "update-ref", "refs/heads/main", next)
		}
		stop := watchMemory()
		began := time.Now()
		if err := b.host.Fetch(context.Background(), "default", "copy", src); err != nil {
			t.Fatal(err)
		}
		own, children := stop()
		t.Logf("%s: %.1f s, %d MiB in this process (both sides), %d MiB in git index-pack and rev-list", step, time.Since(began).Seconds(), own>>20, children>>20)
		if own > 400<<20 || children > 600<<20 {
			t.Errorf("%s: memory grows with the repository", step)
		}
	}
	got, err := b.host.Branches(t.Context(), "default", "copy")
	if err != nil || got["main"] != up.git("", "--git-dir", dir, "rev-parse", "main") {
		t.Fatal(got, err)
	}
	for _, from := range []struct{ who, url string }{{"git http-backend", httpBackend(t, dir)}, {"this server", up.open("w")}} {
		began := time.Now()
		up.git("", "clone", "-q", "--bare", from.url, "clone-from-"+from.who)
		t.Logf("clone from %s: %.1f s", from.who, time.Since(began).Seconds())
		if err := os.RemoveAll(filepath.Join(up.work, "clone-from-"+from.who)); err != nil {
			t.Fatal(err)
		}
	}
	for _, graph := range []string{"before maintenance", "after it"} {
		began := time.Now()
		p, err := b.host.History(t.Context(), "default", "copy", got["main"], "dir0/file7", 0, 20)
		if err != nil || len(p.Items) == 0 {
			t.Fatal(p, err)
		}
		t.Logf("history of one file, %s: %.2f s", graph, time.Since(began).Seconds())
		began = time.Now()
		b.host.maintain(t.Context())
		t.Logf("maintenance: %.1f s", time.Since(began).Seconds())
	}
}

func TestLargeRepositoriesGetACommitGraph(t *testing.T) {
	b := newBench(t)
	b.commit("w", "big", noise(graphFrom+1000))
	b.git("w", "push", "-q", b.url("w"), "main")
	dir, _ := b.host.path("default", "w")
	chain := filepath.Join(dir, "objects", "info", "commit-graphs", "commit-graph-chain")
	b.host.maintain(t.Context())
	first, err := os.Stat(chain)
	if err != nil {
		t.Fatal(err)
	}
	// It is not made again for nothing, nor at once; and then it grows.
	b.host.maintain(t.Context())
	b.commit("w", "small", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	b.host.maintain(t.Context())
	if again, err := os.Stat(chain); err != nil || !again.ModTime().Equal(first.ModTime()) {
		t.Fatal("made again", err)
	}
	old := time.Now().Add(-2 * graphEvery)
	if err := os.Chtimes(chain, old, old); err != nil {
		t.Fatal(err)
	}
	b.host.maintain(t.Context())
	if again, err := os.Stat(chain); err != nil || !again.ModTime().After(first.ModTime()) {
		t.Fatal("not made again", err)
	}
	b.git("", "clone", "-q", b.url("w"), "c")
	if out := b.git("", "--git-dir", dir, "commit-graph", "verify"); out != "" {
		t.Fatal(out)
	}
	if got, err := b.host.File(t.Context(), "default", "w", b.git("w", "rev-parse", "HEAD"), "small"); err != nil || string(got) != "1" {
		t.Fatal(string(got), err)
	}
}

// httpBackend is git's own server over one bare repository.
func httpBackend(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(&cgi.Handler{
			Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"), InheritEnv: []string{"PATH"},
			Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=/nonexistent", "GIT_PROTOCOL=" + r.Header.Get("Git-Protocol")},
		}).ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// watchMemory follows the resident memory of this process and of its git children that
// index or check; stop returns the most of each.
func watchMemory() (stop func() (own, children uint64)) {
	done, ended := make(chan struct{}), make(chan [2]uint64)
	go func() {
		var most [2]uint64
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most[0] = max(most[0], m.Sys-m.HeapReleased)
			var sum uint64
			for _, c := range childrenOf(os.Getpid()) {
				sum += c
			}
			most[1] = max(most[1], sum)
			select {
			case <-done:
				ended <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() (uint64, uint64) {
		close(done)
		m := <-ended
		return m[0], m[1]
	}
}

// childrenOf a process that are index-pack or rev-list, with their private memory: what
// is mapped from packs is the kernel's to take back.
func childrenOf(pid int) map[int]uint64 {
	out := map[int]uint64{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, s := range stats {
		raw, err := os.ReadFile(s)
		if err != nil {
			continue
		}
		_, rest, ok := strings.Cut(string(raw), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(s), "cmdline"))
		if !strings.Contains(string(args), "index-pack") && !strings.Contains(string(args), "rev-list") {
			continue
		}
		status, _ := os.ReadFile(filepath.Join(filepath.Dir(s), "status"))
		_, anon, _ := strings.Cut(string(status), "RssAnon:")
		n, _, _ := strings.Cut(strings.TrimSpace(anon), " ")
		kb, _ := strconv.ParseUint(n, 10, 64)
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(s)))
		out[child] = kb << 10
	}
	return out
}
