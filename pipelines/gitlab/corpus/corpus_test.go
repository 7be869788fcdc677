package corpus

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/pattern"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/plan"
)

// commit is what was pushed at a step.
type commit struct {
	files  map[string]string
	before map[string]string            // of the same ref
	refs   map[string]map[string]string // all, by short name
}

func (c commit) File(path string) ([]byte, error) {
	if s, ok := c.files[path]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}

func (c commit) List() ([]string, error) { return slices.Sorted(maps.Keys(c.files)), nil }

func (c commit) Changed(from string) ([]string, error) {
	old, ok := c.refs[strings.TrimPrefix(from, "refs/heads/")]
	if !ok {
		old = c.before
	}
	if old == nil {
		return nil, fs.ErrNotExist
	}
	var out []string
	for name, data := range c.files {
		if was, ok := old[name]; !ok || was != data {
			out = append(out, name)
		}
	}
	return out, nil
}

// others are the repositories beside the one of a case, at main.
type others struct{ corpus *Case }

func (o others) Project(name, ref string) (gitlab.Files, string, error) {
	files, ok := o.corpus.Others[strings.TrimPrefix(name, "run-"+o.corpus.Name+"-")]
	if !ok || ref != "" && ref != "main" {
		return nil, "", fs.ErrNotExist
	}
	return commit{files: files}, strings.Repeat("2", 40), nil
}

func (o others) Tags(string) ([]string, error)                { return nil, nil }
func (o others) Remote(string, time.Duration) ([]byte, error) { return nil, errors.New("no network") }

// TestSize: how many files are compiled and compared with their graph (by TestCorpus,
// TestFiles and TestArchives of package gitlab, which fail where there is nothing to
// compare with), and how many are executed and held to the results of their jobs (by
// TestCorpus of server/e2e, which takes all of testdata/run).
func TestSize(t *testing.T) {
	compiled := 0
	for _, pattern := range []string{"corpus/*.yml", "*.yml", "*.txtar"} {
		files, err := filepath.Glob(filepath.Join("..", "testdata", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasPrefix(filepath.Base(f), "bad-") { // those have problems in place of a graph
				compiled++
			}
		}
	}
	if compiled < 150 {
		t.Errorf("%d files are compiled and compared with their graph; want at least 150", compiled)
	}
	cases, err := Load("../testdata/run")
	if err != nil {
		t.Fatal(err)
	}
	executed := 0
	for _, c := range cases {
		if slices.ContainsFunc(c.Steps, func(s Step) bool { return len(s.Jobs) > 0 }) {
			executed++
		}
	}
	if executed < 60 {
		t.Errorf("%d files are executed and held to their jobs' results; want at least 60", executed)
	}
	t.Logf("%d compiled, %d executed", compiled, executed)
}

// TestCompile: every push of every case compiles to the jobs that it expects.
func TestCompile(t *testing.T) {
	cases, err := Load("../testdata/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			now := commit{files: maps.Clone(c.Files), refs: map[string]map[string]string{}}
			var secrets []Secret
			for i, s := range c.Steps {
				secrets = append(secrets, s.Secrets...)
				if s.Start != nil {
					continue
				}
				maps.Copy(now.files, s.Write)
				now.before = now.refs[s.Push]
				in := gitlab.Context{Commit: strings.Repeat("1", 40), DefaultBranch: "main", ProjectName: "x", Namespace: "default",
					ServerURL: "https://x", RunID: "x-1", Files: now, Includes: others{&c}, Message: s.Message, Created: time.Now()}
				in.Ref = s.Push
				if tag, ok := strings.CutPrefix(s.Push, "refs/tags/"); ok {
					in.Tag = tag
				} else {
					in.Branch, in.Ref = s.Push, "refs/heads/"+s.Push
				}
				if now.before != nil {
					in.Before = strings.Repeat("0", 39) + "1"
				}
				in.Repository = func(environment string) []gitlab.Known { return known(secrets, environment, in.Branch == "main") }
				p, problems := gitlab.Compile(gitlab.File, []byte(now.files[gitlab.File]), in)
				// Those without a place are the server's: it knows nodes and other repositories.
				own := slices.DeleteFunc(slices.Clone(s.Problems), func(p string) bool { return strings.HasPrefix(p, "0:0 ") })
				if said := places(problems); len(said)+len(own) > 0 && !slices.Equal(said, own) {
					t.Fatalf("step %d: %+v, want %q", i+1, problems, s.Problems)
				}
				var got []string
				if p != nil {
					for _, j := range p.Jobs {
						got = append(got, j.Name)
					}
				}
				slices.Sort(got)
				if len(own) < len(s.Problems) {
					continue
				}
				if want := slices.Sorted(maps.Keys(s.Jobs)); !slices.Equal(got, want) {
					t.Errorf("step %d: jobs %q, want %q", i+1, got, want)
				}
				now.refs[s.Push] = maps.Clone(now.files)
			}
		})
	}
}

// known variables of a repository that has these: a later one of a name wins.
func known(secrets []Secret, environment string, protected bool) []gitlab.Known {
	var out []gitlab.Known
	for _, s := range secrets {
		if s.Environment != "" && !pattern.Match(s.Environment, environment) || s.Protected && !protected {
			continue
		}
		out = slices.DeleteFunc(out, func(k gitlab.Known) bool { return k.Name == s.Name })
		out = append(out, gitlab.Known{Variable: plan.Variable{Name: s.Name, Value: s.Value, Raw: s.Raw || s.File, File: s.File}, Masked: !s.Visible})
	}
	return out
}

const small = `One job.
-- .gitlab-ci.yml --
a: {script: x}
-- expect.yml --
- says: fine
  coverage: "80"
  jobs:
    a: {exit: 0, lines: [one, two], has: [seen], lacks: [secret], artifacts: {f: "1\n", g: null}, covered: {a.go: 1/2}, reports: {sast: "{}"}, exposed: "all:f", after: [b]}
    b: Failed
    kids: {child: {jobs: {k: {lines: [mine]}}}}
  phase: Failed
`

type held struct {
	log     string
	files   map[string]string
	child   string // how the job of the child ended
	covered map[string]string
	sast    string
}

func (h held) Child(name string) (*v1alpha1.Run, Kept, error) {
	if h.child == "" {
		return nil, nil, errors.New("no run " + name)
	}
	return &v1alpha1.Run{Status: v1alpha1.RunStatus{Phase: v1alpha1.Succeeded, Jobs: []v1alpha1.JobStatus{{Name: "k", Phase: v1alpha1.Phase(h.child), Attempt: 1}}}},
		held{log: "mine\n"}, nil
}

func (h held) Covered(string) (map[string]string, error) { return h.covered, nil }
func (h held) Report(string, string) (map[string]string, error) {
	return map[string]string{"s.json": h.sast}, nil
}
func (h held) Log(string) (string, error) { return h.log, nil }
func (h held) Archive(string) (map[string]string, error) {
	if h.files == nil {
		return nil, errors.New("no archive")
	}
	return h.files, nil
}

// TestCheck: a run as wanted passes, and each thing that differs is said.
func TestCheck(t *testing.T) {
	c, err := read("small", txtar.Parse([]byte(small)))
	if err != nil {
		t.Fatal(err)
	}
	at := func(s int64) *metav1.MicroTime { m := metav1.NewMicroTime(time.Unix(s, 0)); return &m }
	var zero int32
	good := v1alpha1.Run{Status: v1alpha1.RunStatus{Phase: v1alpha1.Failed, Message: "all fine", Coverage: "80", Jobs: []v1alpha1.JobStatus{
		{Name: "a", Phase: v1alpha1.Succeeded, Attempt: 1, ExitCode: &zero, StartedAt: at(5), FinishedAt: at(6), Artifacts: true, Exposed: &v1alpha1.ExposedArtifacts{Name: "all", Path: "f"}},
		{Name: "b", Phase: v1alpha1.Failed, Attempt: 1, StartedAt: at(1), FinishedAt: at(4)},
		{Name: "kids", Phase: v1alpha1.Succeeded, Attempt: 1, Child: "x-kids-c1"},
	}}}
	log := "section_start:1:step\r\x1b[0K\x1b[32;1m$ echo two\x1b[0;m\none\nseen\n\x1b[31mtwo\x1b[0m\n"
	left := held{log, map[string]string{"f": "1\n", "g": "any"}, "Succeeded", map[string]string{"a.go": "1/2"}, "{}"}
	if said := c.Steps[0].Check(&good, left); len(said) > 0 {
		t.Errorf("a run as wanted: %q", said)
	}
	for what, spoil := range map[string]func(*v1alpha1.RunStatus, *held){
		"phase":           func(s *v1alpha1.RunStatus, _ *held) { s.Phase = v1alpha1.Succeeded },
		"message":         func(s *v1alpha1.RunStatus, _ *held) { s.Message = "" },
		"problem":         func(s *v1alpha1.RunStatus, _ *held) { s.Problems = []v1alpha1.Problem{{Rule: "x"}} },
		"coverage":        func(s *v1alpha1.RunStatus, _ *held) { s.Coverage = "" },
		"tests":           func(s *v1alpha1.RunStatus, _ *held) { s.Tests = &v1alpha1.TestCounts{} },
		"link":            func(s *v1alpha1.RunStatus, _ *held) { s.Jobs[0].Exposed = nil },
		"coverage report": func(_ *v1alpha1.RunStatus, h *held) { h.covered = nil },
		"report":          func(_ *v1alpha1.RunStatus, h *held) { h.sast = "[]" },
		"missing job":     func(s *v1alpha1.RunStatus, _ *held) { s.Jobs = s.Jobs[:1] },
		"other job":       func(s *v1alpha1.RunStatus, _ *held) { s.Jobs = append(s.Jobs, v1alpha1.JobStatus{Name: "c"}) },
		"phase of a job":  func(s *v1alpha1.RunStatus, _ *held) { s.Jobs[0].Phase = v1alpha1.Failed },
		"exit code":       func(s *v1alpha1.RunStatus, _ *held) { s.Jobs[0].ExitCode = nil },
		"attempts":        func(s *v1alpha1.RunStatus, _ *held) { s.Jobs[1].Attempt = 2 },
		"order":           func(s *v1alpha1.RunStatus, _ *held) { s.Jobs[0].StartedAt = at(2) },
		"order of lines":  func(_ *v1alpha1.RunStatus, h *held) { h.log = "two\none\nseen\n" },
		"only the echo":   func(_ *v1alpha1.RunStatus, h *held) { h.log = "one\nseen\n\x1b[32;1m$ echo\ntwo\x1b[0;m\n" },
		"missing in log":  func(_ *v1alpha1.RunStatus, h *held) { h.log = "one\ntwo\n" },
		"unwanted in log": func(_ *v1alpha1.RunStatus, h *held) { h.log += "a secret\n" },
		"content":         func(_ *v1alpha1.RunStatus, h *held) { h.files = map[string]string{"f": "2\n", "g": ""} },
		"missing file":    func(_ *v1alpha1.RunStatus, h *held) { h.files = map[string]string{"f": "1\n"} },
		"no child":        func(s *v1alpha1.RunStatus, _ *held) { s.Jobs[2].Child = "" },
		"child unwanted":  func(s *v1alpha1.RunStatus, _ *held) { s.Jobs[1].Child = "x-b-c1" },
		"child gone":      func(_ *v1alpha1.RunStatus, h *held) { h.child = "" },
		"job of a child":  func(_ *v1alpha1.RunStatus, h *held) { h.child = "Failed" },
		"other file":      func(_ *v1alpha1.RunStatus, h *held) { h.files = map[string]string{"f": "1\n", "g": "", "h": ""} },
	} {
		run, h := good.DeepCopy(), left
		spoil(&run.Status, &h)
		if said := c.Steps[0].Check(run, h); len(said) == 0 {
			t.Errorf("%s: nobody noticed", what)
		}
	}
}

func TestRead(t *testing.T) {
	for what, text := range map[string]string{
		"no description": "-- expect.yml --\n- {}\n",
		"no step":        "About.\n-- a --\n",
		"unknown key":    "About.\n-- expect.yml --\n- {job: x}\n",
		"unknown of job": "About.\n-- expect.yml --\n- {jobs: {a: {line: [x]}}}\n",
	} {
		if _, err := read("x", txtar.Parse([]byte(text))); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// TestDocs: the page of the language lists every case with what it is about.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/gitlab-ci.md")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := Load("../testdata/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		row := "| `" + c.Name + "` | " + strings.ReplaceAll(strings.ReplaceAll(c.About, "\n", " "), "|", `\|`) + " |"
		if !strings.Contains(string(page), row+"\n") {
			t.Errorf("docs/gitlab-ci.md lacks the line\n%s", row)
		}
	}
}
