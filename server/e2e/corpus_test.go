package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/coverage"
	"slipway.dev/pipelines/gitlab/corpus"
)

// TestCorpus executes the pipelines of pipelines/gitlab/testdata/run, several at once,
// and holds each run to what its file expects.
func TestCorpus(t *testing.T) {
	together(t)
	cases, err := corpus.Load(filepath.Join(top, "pipelines", "gitlab", "testdata", "run"))
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 60 {
		t.Errorf("%d pipelines; want at least 60", len(cases))
	}
	cases = append(cases, longScript())
	remove := []string{"kubectl", "delete", "--ignore-not-found", "--timeout=5m", "repository.slipway.dev"}
	for _, c := range cases {
		remove = append(remove, "run-"+c.Name)
		for other := range c.Others {
			remove = append(remove, "run-"+c.Name+"-"+other)
		}
	}
	cleanUp(t, remove...)
	// Those that wait for something begin first.
	slices.SortStableFunc(cases, func(a, b corpus.Case) int { return len(b.Steps) - len(a.Steps) })
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				execute(t, &c)
			})
		}
	})
}

// longScript has as many lines as are allowed.
func longScript() corpus.Case {
	file := "job:\n  image: busybox\n  script:\n"
	for i := range 10_000 {
		file += fmt.Sprintf("    - echo line %d\n", i)
	}
	return corpus.Case{Name: "ten-thousand-lines", Files: map[string]string{".gitlab-ci.yml": file}, Steps: []corpus.Step{{
		Push: "main", Phase: api.Succeeded,
		Jobs: map[string]corpus.Job{"job": {Phase: api.Succeeded, Lines: []string{"line 0", "line 5000", "line 9999", "Job succeeded"}}},
	}}}
}

// execute all steps of a case.
func execute(t *testing.T, c *corpus.Case) {
	for name, files := range c.Others {
		other := &repo{t: t, name: "run-" + c.Name + "-" + name, dir: t.TempDir()}
		other.git("init", "--quiet", "--initial-branch=main")
		other.write(files)
		other.git("add", "--all")
		other.git("commit", "--quiet", "--message", "other")
		other.git("push", other.url(), "HEAD:refs/heads/main")
	}
	r := &repo{t: t, name: "run-" + c.Name, dir: t.TempDir()}
	r.git("init", "--quiet", "--initial-branch=main")
	r.write(c.Files)
	var open []func()
	for i := range c.Steps {
		s := &c.Steps[i]
		for _, v := range s.Secrets {
			body := struct {
				corpus.Secret
				Repository string `json:"repository"`
			}{v, r.name}
			if err := user.Call(t.Context(), http.MethodPost, user.Path("variables"), body, nil); err != nil {
				t.Fatal(err)
			}
		}
		for group, mode := range s.Modes {
			must(t, "kubectl", "patch", "repository", r.name, "--type=merge", "--patch", fmt.Sprintf(`{"spec":{"resourceGroups":{%q:%q}}}`, group, mode))
		}
		name := r.cause(s)
		for _, approved := range s.Approve {
			r.untilRun(name, approved+" waits for approval", func(run *api.Run) bool { return strings.Contains(jobOf(run, approved).Message, "approves it") })
			if err := user.Call(t.Context(), http.MethodPost, user.Path("runs", name, "jobs", approved, "approve"), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, played := range s.Play {
			r.untilRun(name, played+" waits for a person", func(run *api.Run) bool { return strings.Contains(jobOf(run, played).Message, "waits until somebody") })
			if err := user.Call(t.Context(), http.MethodPost, user.Path("runs", name, "jobs", played, "play"), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if s.Cancel != "" {
			r.cancel(name, s.Cancel)
		}
		look := func() { r.hold(i, s, name) }
		switch {
		case s.Queued != "":
			r.untilRun(name, s.Queued+" waits in a queue", func(run *api.Run) bool { return strings.Contains(jobOf(run, s.Queued).Message, "resource group") })
		case s.Until != "":
			r.untilScript(name, s.Until)
		default:
			look()
			continue
		}
		open = append(open, look)
	}
	for _, look := range open {
		look()
	}
}

// untilScript of a job runs.
func (r *repo) untilScript(run, job string) {
	r.t.Helper()
	r.untilRun(run, job+" runs", is(job, api.Running))
	eventually(r.t, func() error {
		log, err := kept{r, run}.Log(job)
		if err == nil && !strings.Contains(log, "step_script") {
			err = fmt.Errorf("its script has not begun: %s", log)
		}
		return err
	})
}

// cancel a run once a script of it runs: the job's, or one of the run that it started.
func (r *repo) cancel(name, at string) {
	r.t.Helper()
	run := r.untilRun(name, at+" runs", is(at, api.Running))
	if child := jobOf(run, at).Child; child == "" {
		r.untilScript(name, at)
	} else {
		first := ""
		r.untilRun(child, "a job runs", func(run *api.Run) bool {
			for _, j := range run.Status.Jobs {
				if j.Phase == api.Running && j.Child == "" {
					first = j.Name
				}
			}
			return first != ""
		})
		r.untilScript(child, first)
	}
	if err := user.Call(r.t.Context(), http.MethodPost, user.Path("runs", name, "cancel"), nil, nil); err != nil {
		r.t.Fatal(err)
	}
}

// cause the step's run and return its name.
func (r *repo) cause(s *corpus.Step) string {
	r.t.Helper()
	if s.Start != nil {
		body := struct {
			*corpus.Start
			Repository string `json:"repository"`
		}{s.Start, r.name}
		var run api.Run
		if err := user.Call(r.t.Context(), http.MethodPost, user.Path("runs"), body, &run); err != nil {
			r.t.Fatal(err)
		}
		return run.Name
	}
	r.write(s.Write)
	for _, name := range s.Executable {
		if err := os.Chmod(filepath.Join(r.dir, name), 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "--all")
	message := s.Message
	if message == "" {
		message = "change"
	}
	r.git("commit", "--quiet", "--allow-empty", "--message", message)
	r.seq++
	ref := s.Push
	if !strings.HasPrefix(ref, "refs/") {
		ref = "refs/heads/" + ref
	}
	r.git("push", r.url(), "HEAD:"+ref)
	return r.run()
}

// hold the run to the step once it has ended.
func (r *repo) hold(i int, s *corpus.Step, name string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	run, err := user.WaitRun(ctx, name, func(run *api.Run) bool { return run.Status.Phase.Finished() })
	if err != nil {
		r.t.Fatalf("run %s: %v\n%+v", name, err, run)
	}
	for _, said := range s.Check(run, kept{r, name}) {
		r.t.Errorf("step %d, run %s: %s", i+1, name, said)
	}
}

// kept is what a run left on the server.
type kept struct {
	repo *repo
	run  string
}

var _ corpus.Kept = kept{}

func (k kept) Log(job string) (string, error) {
	var b strings.Builder
	err := user.JobLog(k.repo.t.Context(), &b, k.run, job, false)
	return b.String(), err
}

func (k kept) Child(name string) (*api.Run, corpus.Kept, error) {
	ctx, cancel := context.WithTimeout(k.repo.t.Context(), patience)
	defer cancel()
	run, err := user.WaitRun(ctx, name, func(run *api.Run) bool { return run.Status.Phase.Finished() })
	return run, kept{k.repo, name}, err
}

func (k kept) Covered(job string) (map[string]string, error) {
	var r coverage.Report
	if err := user.Call(k.repo.t.Context(), http.MethodGet, user.Path("runs", k.run, "jobs", job, "coverage"), nil, &r); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, f := range r.Files {
		out[f.Path] = f.Hit + "/" + f.Missed
	}
	return out, nil
}

func (k kept) Report(job, kind string) (map[string]string, error) {
	return k.zip(user.Path("runs", k.run, "jobs", job, "reports", kind))
}

func (k kept) Archive(job string) (map[string]string, error) {
	return k.zip(user.Path("runs", k.run, "jobs", job, "artifacts"))
}

func (k kept) zip(path string) (map[string]string, error) {
	body, err := user.Open(k.repo.t.Context(), http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return unzip(body)
}
