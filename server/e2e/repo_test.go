package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/client"
)

// repo is a work tree whose pushes go to the shared server.
type repo struct {
	t    *testing.T
	name string
	dir  string
	seq  int
}

// repos by name, each of one test.
var repos sync.Map

// newRepo starts one. What the test makes of it on the server, the repository with
// its runs and an application of its name, is removed with the test's end.
func newRepo(t *testing.T, name string, files map[string]string) *repo {
	t.Helper()
	if by, taken := repos.LoadOrStore(name, t.Name()); taken {
		t.Fatalf("%s has a repository %s too: tests run together", by, name)
	}
	t.Cleanup(func() { repos.Delete(name) })
	r := &repo{t: t, name: name, dir: t.TempDir()}
	for _, kind := range []string{"repository", "application"} { // the application goes first
		cleanUp(t, "kubectl", "delete", kind+".slipway.dev", name, "--ignore-not-found", "--timeout=5m")
	}
	r.git("init", "--quiet", "--initial-branch=main")
	r.write(files)
	return r
}

// fromExample is a work tree with a copy of an example.
func fromExample(t *testing.T, name, example string) *repo {
	t.Helper()
	r := newRepo(t, name, nil)
	if err := os.CopyFS(r.dir, os.DirFS(filepath.Join(top, "examples", example))); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *repo) write(files map[string]string) {
	r.t.Helper()
	for name, text := range files {
		file := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *repo) command(token string, args ...string) (string, error) {
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = client.GitEnviron(token, "Test", "test@example.com")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	token, err := user.Token()
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := r.command(token, args...)
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (r *repo) url() string { return user.Server + "/git/" + r.name + ".git" }

func (r *repo) commit() {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--message", "change")
}

// push commits everything, pushes it and returns what git printed.
func (r *repo) push() string {
	r.t.Helper()
	r.commit()
	r.seq++
	return r.git("push", r.url(), "HEAD:main")
}

// run is the name of the run of the newest push.
func (r *repo) run() string { return r.name + "-" + strconv.Itoa(r.seq) }

// finished waits for the run of the newest push to end.
func (r *repo) finished() *api.Run {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	run, err := user.WaitRun(ctx, r.run(), func(r *api.Run) bool { return r.Status.Phase.Finished() })
	if err != nil {
		r.t.Fatalf("run %s: %v\n%+v", r.run(), err, run)
	}
	return run
}

// log is what a job of the newest run printed.
func (r *repo) log(job string) string {
	r.t.Helper()
	var b strings.Builder
	if err := user.JobLog(r.t.Context(), &b, r.run(), job, false); err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}
