package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"slipway.dev/gitops/git/large"
)

// largeRounds of each thing that is done with a large repository.
const largeRounds = 3

// repositories pushes a large repository, clones it and fetches from it, through the
// front door and through git's own http-backend in turn, and watches how much memory the
// server takes meanwhile.
func (b *bench) repositories(ctx context.Context, in *instance) error {
	return b.repository(ctx, in, large.Bench, 500, "10,000 commits and 100 MB")
}

// repository does it for one shape; the fetch brings the recent commits.
func (b *bench) repository(ctx context.Context, in *instance, shape large.Shape, recent int, what string) error {
	work := filepath.Join(filepath.Dir(in.dir), "large-"+filepath.Base(in.dir))
	defer os.RemoveAll(work)
	source := filepath.Join(work, "source.git")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	if err := large.Make(ctx, source, shape); err != nil {
		return err
	}
	backend, stop, err := httpBackend(ctx, filepath.Join(work, "backend"))
	if err != nil {
		return err
	}
	defer stop()
	t := &tree{in: in, name: "large", dir: source}
	old, err := t.git(ctx, "rev-parse", fmt.Sprintf("main~%d", recent))
	if err != nil {
		return err
	}
	if _, err := t.git(ctx, "config", "uploadpack.allowAnySHA1InWant", "true"); err != nil {
		return err
	}
	before := memoryOf(in.dir)
	most := watchMemory(in.dir)
	for round := range largeRounds {
		for _, at := range []struct{ who, url, against string }{
			{"git http-backend", fmt.Sprintf("%s/large%d.git", backend, round), ""},
			{"Slipway", fmt.Sprintf("%s/git/large%d.git", in.client.Server, round), "git http-backend"},
		} {
			if at.against == "" {
				if err := emptyBackend(ctx, filepath.Join(work, "backend", fmt.Sprintf("large%d.git", round))); err != nil {
					return err
				}
			}
			clone, part := filepath.Join(work, "clone.git"), filepath.Join(work, "part.git")
			// The fetch begins with what is older, brought from beside.
			aside := [][]string{{"init", "--quiet", "--bare", "-b", "main", part}, {"--git-dir", part, "fetch", "--quiet", source, old + ":refs/heads/main"}}
			for _, step := range []struct {
				name   string
				before [][]string
				args   []string
			}{
				{"push", nil, []string{"push", "--quiet", at.url, "main"}},
				{"clone", nil, []string{"clone", "--quiet", "--bare", at.url, clone}},
				{"shallow clone", nil, []string{"clone", "--quiet", "--bare", "--depth=1", at.url, clone + "1"}},
				{fmt.Sprintf("fetch of %d commits", recent), aside, []string{"--git-dir", part, "fetch", "--quiet", at.url, "main:main"}},
			} {
				for _, args := range step.before {
					if _, err := t.git(ctx, args...); err != nil {
						return err
					}
				}
				began := time.Now()
				if _, err := t.git(ctx, step.args...); err != nil {
					return err
				}
				name, against := step.name+", "+what+", ", ""
				if at.against != "" {
					against = name + at.against
				}
				b.report.against(name+at.who, "s", time.Since(began).Seconds(), against)
			}
			for _, d := range []string{clone, clone + "1", part} {
				if err := os.RemoveAll(d); err != nil {
					return err
				}
			}
		}
	}
	b.report.add("memory of the server and its git meanwhile, over before", "MiB", float64(most()-before)/1024)
	return nil
}

// httpBackend serves the bare repositories below dir as git itself would.
func httpBackend(ctx context.Context, dir string) (url string, stop func(), err error) {
	out, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return "", nil, err
	}
	h := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"), Root: "/",
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=bench", "HOME=/nonexistent"},
		// The client's choice of protocol comes as a header, as web servers are told to pass it on.
		InheritEnv: []string{"PATH"},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// net/http/cgi refuses a body of unknown length; http-backend reads to its end.
		r.TransferEncoding = nil
		own := *h
		own.Env = append(append([]string{}, h.Env...), "GIT_PROTOCOL="+r.Header.Get("Git-Protocol"))
		own.ServeHTTP(w, r)
	}))
	return s.URL, s.Close, nil
}

func emptyBackend(ctx context.Context, dir string) error {
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "-b", "main", dir}, {"--git-dir", dir, "config", "http.receivepack", "true"},
	} {
		if out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// memoryOf an instance with all its processes, in KiB.
func memoryOf(dir string) int {
	sum := 0
	for pid := range processes(dir) {
		kb, _ := proportional(pid) // it may have ended
		sum += kb
	}
	return sum
}

// watchMemory follows an instance; most stops it and gives the most in KiB.
func watchMemory(dir string) (most func() int) {
	return mostOf(300*time.Millisecond, func() int { return memoryOf(dir) })
}

// mostOf asks for a value again and again; most stops it and gives the most.
func mostOf(every time.Duration, value func() int) (most func() int) {
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		top := 0
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			top = max(top, value())
			select {
			case <-done:
				ended <- top
				return
			case <-tick.C:
			}
		}
	}()
	return func() int {
		close(done)
		return <-ended
	}
}
