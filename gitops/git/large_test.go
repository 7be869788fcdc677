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
	"slices"
	"strconv"
	"strings"
	"syscall"
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
		stop, busy := watchMemory("index-pack", "rev-list"), processorTime()
		began := time.Now()
		if err := b.host.Fetch(context.Background(), "default", "copy", src); err != nil {
			t.Fatal(err)
		}
		own, children := stop()
		t.Logf("%s: %.1f s (%.1f s of processor), %d MiB in this process (both sides), %d MiB in git index-pack and rev-list",
			step, time.Since(began).Seconds(), busy().Seconds(), own>>20, children>>20)
		if own > 400<<20 || children > 600<<20 {
			t.Errorf("%s: memory grows with the repository", step)
		}
	}
	got, err := b.host.Branches(t.Context(), "default", "copy")
	if err != nil || got["main"] != up.git("", "--git-dir", dir, "rev-parse", "main") {
		t.Fatal(got, err)
	}
	serving := map[string]uint64{}
	for _, from := range []struct{ who, url string }{{"git http-backend", httpBackend(t, dir)}, {"this server", up.open("w")}} {
		stop, busy := watchMemory("upload-pack", "pack-objects"), processorTime()
		began := time.Now()
		up.git("", "clone", "-q", "--bare", from.url, "clone-from-"+from.who)
		took := time.Since(began)
		_, serving[from.who] = stop()
		t.Logf("clone from %s: %.1f s (%.1f s of processor), %d MiB in git upload-pack and pack-objects",
			from.who, took.Seconds(), busy().Seconds(), serving[from.who]>>20)
		if err := os.RemoveAll(filepath.Join(up.work, "clone-from-"+from.who)); err != nil {
			t.Fatal(err)
		}
	}
	if own, gits := serving["this server"], serving["git http-backend"]; own > gits+gits/4+16<<20 {
		t.Errorf("serving a clone takes %d MiB, git's own %d", own>>20, gits>>20)
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

// processorTime of this process and of its children that have ended, from now on: what a
// step costs also where the machine does other things beside.
func processorTime() (since func() time.Duration) {
	now := func() (sum time.Duration) {
		for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
			var u syscall.Rusage
			if syscall.Getrusage(who, &u) == nil {
				sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
			}
		}
		return sum
	}
	began := now()
	return func() time.Duration { return now() - began }
}

// watchMemory follows the resident memory of this process, and of its git children and
// theirs that are one of the named commands; stop returns the most of each.
func watchMemory(commands ...string) (stop func() (own, children uint64)) {
	done, ended := make(chan struct{}), make(chan [2]uint64)
	go func() {
		var most [2]uint64
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most[0] = max(most[0], m.Sys-m.HeapReleased)
			most[1] = max(most[1], memoryBelow(strconv.Itoa(os.Getpid()), commands))
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

// memoryBelow a process, of those commands: their private memory, as what is mapped from
// packs is the kernel's to take back. Each may have ended.
func memoryBelow(pid string, commands []string) (sum uint64) {
	lists, _ := filepath.Glob("/proc/" + pid + "/task/*/children") // to look at every process costs more than a mirror
	for _, list := range lists {
		raw, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(raw)) {
			args, _ := os.ReadFile(filepath.Join("/proc", child, "cmdline"))
			if slices.ContainsFunc(commands, func(c string) bool { return slices.Contains(strings.Split(string(args), "\x00"), c) }) {
				status, _ := os.ReadFile(filepath.Join("/proc", child, "status"))
				_, anon, _ := strings.Cut(string(status), "RssAnon:")
				n, _, _ := strings.Cut(strings.TrimSpace(anon), " ")
				kb, _ := strconv.ParseUint(n, 10, 64)
				sum += kb << 10
			}
			sum += memoryBelow(child, commands)
		}
	}
	return sum
}
