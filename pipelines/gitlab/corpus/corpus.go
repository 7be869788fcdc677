// Package corpus owns the format of the pipelines that the end-to-end tests execute:
// files of a repository, what is pushed or started in order, and what must come of
// it. It reads them and holds a run to them; it never starts one. The cases are in
// pipelines/gitlab/testdata/run. Start at Load and Step.Check.
package corpus

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

// Expectations is the file of an archive that says what must come of the others.
const Expectations = "expect.yml"

// Case is one repository and what happens to it. It is written as
//
//	What this is about.
//	-- .gitlab-ci.yml --
//	job: {script: echo hello}
//	-- a/file --
//	-- expect.yml --
//	- jobs: {job: {lines: [hello]}}
type Case struct {
	Name  string
	About string
	Files map[string]string
	// Others are repositories beside it, which are pushed first: files by name, as
	// ../NAME/FILE is written. Theirs on the server is that of the case and NAME.
	Others map[string]map[string]string
	Steps  []Step
}

// Step causes one run, and says how it must end.
type Step struct {
	// Push a commit of all files to this ref: a branch, or refs/tags/NAME; main if
	// nothing else is said. Write are files that change before, Executable ones that
	// get the bit, Message the commit's.
	Push       string            `json:"push,omitempty"`
	Write      map[string]string `json:"write,omitempty"`
	Executable []string          `json:"executable,omitempty"`
	Message    string            `json:"message,omitempty"`
	// Start a run of what was pushed before, as the API does it.
	Start *Start `json:"start,omitempty"`
	// Secrets that are set before, with the repository there.
	Secrets []Secret `json:"secrets,omitempty"`
	// Modes of resource groups that the repository gets before, with it there.
	Modes map[string]string `json:"modes,omitempty"`
	// Until is a job: the next step begins once its script runs, and this one is looked at
	// in the end. Queued: once that job waits for a resource group.
	Until  string `json:"until,omitempty"`
	Queued string `json:"queued,omitempty"`
	// Play these jobs, each once it waits for a person. Approve those once they wait for that.
	Play    []string `json:"play,omitempty"`
	Approve []string `json:"approve,omitempty"`
	// Cancel the run once the script of this job runs; of a job that starts another run,
	// once one of that run's does.
	Cancel string `json:"cancel,omitempty"`

	// Phase of the run; Succeeded if nothing is said.
	Phase v1alpha1.Phase `json:"phase,omitempty"`
	// Says is a part of the run's message.
	Says string `json:"says,omitempty"`
	// Problems of the file, each as LINE:COLUMN RULE.
	Problems []string             `json:"problems,omitempty"`
	Coverage string               `json:"coverage,omitempty"`
	Tests    *v1alpha1.TestCounts `json:"tests,omitempty"`
	// Jobs are all that the run has.
	Jobs map[string]Job `json:"jobs,omitempty"`
}

// Start is the body of the request for a run.
type Start struct {
	Ref          string                     `json:"ref,omitempty"`
	Variables    map[string]string          `json:"variables,omitempty"`
	Inputs       map[string]json.RawMessage `json:"inputs,omitempty"`
	MergeRequest string                     `json:"mergeRequest,omitempty"`
	Cause        string                     `json:"cause,omitempty"`
}

// Secret is a variable of the repository.
type Secret struct {
	Name        string `json:"name"`
	Value       string `json:"value"`
	Environment string `json:"environment,omitempty"`
	Protected   bool   `json:"protected,omitempty"`
	Visible     bool   `json:"visible,omitempty"`
	Raw         bool   `json:"raw,omitempty"`
	File        bool   `json:"file,omitempty"`
}

// Job is how one must end. A phase alone may be written in its place.
type Job struct {
	// Phase is Succeeded if nothing is said.
	Phase v1alpha1.Phase `json:"phase,omitempty"`
	Exit  *int32         `json:"exit,omitempty"`
	// Reason of the failure.
	Reason string `json:"reason,omitempty"`
	// Says is a part of the message.
	Says string `json:"says,omitempty"`
	// Attempts are 1 for a job that ended by itself, if nothing is said.
	Attempts int `json:"attempts,omitempty"`
	// After names jobs that ended before it started, Before ones that had not.
	After  []string `json:"after,omitempty"`
	Before []string `json:"before,omitempty"`
	// Lines that the newest attempt printed in this order, others between them. Commands
	// that the shell echoes do not count.
	Lines []string `json:"lines,omitempty"`
	// Has and Lacks are parts of the log.
	Has   []string `json:"has,omitempty"`
	Lacks []string `json:"lacks,omitempty"`
	// Artifacts are the files that were kept, all of them, with their contents; null
	// stands for any. A name that ends in a slash is a directory.
	Artifacts map[string]*string   `json:"artifacts,omitempty"`
	Coverage  string               `json:"coverage,omitempty"`
	Tests     *v1alpha1.TestCounts `json:"tests,omitempty"`
	// Child is how the run must end that the newest attempt started.
	Child *Step `json:"child,omitempty"`
	// Covered are the files of the coverage report, each as HIT/MISSED: "1-2,5/3".
	Covered map[string]string `json:"covered,omitempty"`
	// Reports are the contents of the one file of each kind of report.
	Reports map[string]string `json:"reports,omitempty"`
	// Exposed is the link to what was kept, as NAME or NAME:PATH.
	Exposed string `json:"exposed,omitempty"`
}

// UnmarshalJSON takes a phase for a job.
func (j *Job) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &j.Phase)
	}
	type plain Job
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	return d.Decode((*plain)(j))
}

// Load the cases of a directory.
func Load(dir string) ([]Case, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			return nil, err
		}
		c, err := read(strings.TrimSuffix(filepath.Base(path), ".txtar"), a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func read(name string, a *txtar.Archive) (Case, error) {
	c := Case{Name: name, About: strings.TrimSpace(string(a.Comment)), Files: map[string]string{}}
	for _, f := range a.Files {
		if other, ok := strings.CutPrefix(f.Name, "../"); ok {
			name, file, _ := strings.Cut(other, "/")
			if c.Others == nil {
				c.Others = map[string]map[string]string{}
			}
			if c.Others[name] == nil {
				c.Others[name] = map[string]string{}
			}
			c.Others[name][file] = string(f.Data)
			continue
		}
		if f.Name != Expectations {
			c.Files[f.Name] = string(f.Data)
			continue
		}
		if err := yaml.UnmarshalStrict(f.Data, &c.Steps); err != nil {
			return c, fmt.Errorf("%s: %w", Expectations, err)
		}
	}
	switch {
	case c.About == "":
		return c, fmt.Errorf("no word on what it is about before the first file")
	case len(c.Steps) == 0:
		return c, fmt.Errorf("%s: no step", Expectations)
	}
	for i := range c.Steps {
		s := &c.Steps[i]
		if s.Push == "" && s.Start == nil {
			s.Push = "main"
		}
		s.complete()
	}
	return c, nil
}

// complete says what is meant where nothing is said.
func (s *Step) complete() {
	if s.Phase == "" {
		s.Phase = v1alpha1.Succeeded
	}
	for name, j := range s.Jobs {
		if j.Phase == "" {
			j.Phase = v1alpha1.Succeeded
		}
		if j.Child != nil {
			j.Child.complete()
		}
		s.Jobs[name] = j
	}
}
