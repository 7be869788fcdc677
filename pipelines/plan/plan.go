package plan

import (
	"bytes"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Version of the JSON form. A reader refuses any other.
const Version = "slipway.dev/plan/v1"

// Plan is one compiled pipeline for one commit.
type Plan struct {
	Version string `json:"version"`
	// Name of the pipeline, where its author gave one.
	Name string `json:"name,omitempty"`
	// Source is the file it was compiled from, or "default".
	Source string `json:"source"`
	Commit string `json:"commit,omitempty"`
	// Ref is the full name of the branch or tag.
	Ref string `json:"ref,omitempty"`
	// Stages in order, for showing; the order of work is in Job.Needs alone.
	Stages []string `json:"stages,omitempty"`
	// Predefined variables that every job sees; anything below overrides them.
	Predefined []Variable `json:"predefined,omitempty"`
	// Variables of the whole pipeline.
	Variables []Variable `json:"variables,omitempty"`
	// Given by hand when the run was started; they override everything else.
	Given []Variable `json:"given,omitempty"`
	Jobs  []Job      `json:"jobs"`
	// Empty says why there is no job for this commit, where that is what rules want.
	Empty string `json:"empty,omitempty"`
}

// Job is one thing to do, in one place, from a fresh checkout.
type Job struct {
	// Name as its author wrote it; unique in the plan, and what Needs refer to.
	Name string `json:"name"`
	// ID is a DNS label of at most 40 characters, unique in the plan; see AssignIDs.
	ID    string `json:"id"`
	Stage string `json:"stage,omitempty"`
	// Needs are all the jobs it waits for. Stages are compiled to needs.
	Needs []Need `json:"needs,omitempty"`
	// ByStage: Needs are all jobs of earlier stages, rather than chosen ones. A
	// skipped job then does not stop this one; see Plan.Next.
	ByStage bool  `json:"byStage,omitempty"`
	Image   Image `json:"image,omitzero"`
	// Script to run. A job with Build or Deploy has the commands that do the same.
	Script Script `json:"script,omitzero"`
	// Predefined variables of this job; Plan.Variables and below override them.
	Predefined []Variable `json:"predefined,omitempty"`
	// Variables of this job, those of the rule that chose it last.
	Variables []Variable `json:"variables,omitempty"`
	// Secrets that reach an attempt as variables; their values are never in a plan.
	Secrets   []SecretRef `json:"secrets,omitempty"`
	Artifacts *Artifacts  `json:"artifacts,omitempty"`
	When      When        `json:"when"`
	// AllowFailure: a failure of it is no failure of the run.
	AllowFailure bool `json:"allowFailure,omitempty"`
	// AllowExitCodes: only a failure with one of these exit codes is allowed.
	AllowExitCodes []int32 `json:"allowExitCodes,omitempty"`
	// Timeout of one attempt; zero: the server's default.
	Timeout metav1.Duration `json:"timeout,omitzero"`
	Retry   Retry           `json:"retry,omitzero"`
	// Build makes this an image build.
	Build *Build `json:"build,omitempty"`
	// Deploy makes this a deployment.
	Deploy *Deploy `json:"deploy,omitempty"`
}

// Need is one edge: wait for Job.
type Need struct {
	Job string `json:"job"`
	// Artifacts of Job are unpacked before the script starts.
	Artifacts bool `json:"artifacts"`
	// Optional: Job may be missing from the plan.
	Optional bool `json:"optional,omitempty"`
}

// Image that a job runs in. An empty name means the server's default.
type Image struct {
	Name       string   `json:"name,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
}

// Script is what a job runs. Before and Main run in one shell, which stops at the
// first command that fails (`set -e`, and `set -o pipefail` where the shell has it).
// After runs in a second shell, always, and its result does not count.
type Script struct {
	// Shell: empty means bash where the image has it, otherwise sh.
	Shell  string   `json:"shell,omitempty"`
	Before []string `json:"before,omitempty"`
	Main   []string `json:"main,omitempty"`
	After  []string `json:"after,omitempty"`
}

// Variable of the environment. References in a value that is not Raw are expanded
// late, by Environment, when secrets and the attempt are known.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Raw   bool   `json:"raw,omitempty"`
}

// SecretRef is a variable whose value is a key of a Secret in the run's namespace.
type SecretRef struct {
	Variable string `json:"variable"`
	Secret   string `json:"secret"`
	Key      string `json:"key"`
}

// Artifacts that a job leaves for later jobs and for people.
type Artifacts struct {
	// Name of the archive, without suffix; may refer to variables.
	Name string `json:"name,omitempty"`
	// Paths and Exclude are glob patterns below the project directory ("**" crosses directories).
	Paths   []string `json:"paths,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	// When they are kept: on_success (default), on_failure or always.
	When When `json:"when,omitempty"`
	// ExpireIn after the job; zero: the server's default.
	ExpireIn metav1.Duration `json:"expireIn,omitzero"`
	// Keep for ever.
	Keep bool `json:"keep,omitempty"`
}

// When a job runs, given how the jobs that it needs ended.
type When string

// The conditions. Manual is on_success, and then waits for a person.
const (
	OnSuccess When = "on_success"
	OnFailure When = "on_failure"
	Always    When = "always"
	Manual    When = "manual"
	Never     When = "never"
)

// Retry of failed attempts.
type Retry struct {
	// Max number of attempts after the first.
	Max int `json:"max,omitempty"`
}

// Build of an image from a Dockerfile.
type Build struct {
	// Dockerfile and Context are paths in the repository.
	Dockerfile string `json:"dockerfile,omitempty"`
	Context    string `json:"context,omitempty"`
	Target     string `json:"target,omitempty"`
	// Image is the name to push, without tag.
	Image string     `json:"image"`
	Args  []Variable `json:"args,omitempty"`
}

// Deploy of the commit and of the images that the run built.
type Deploy struct {
	Application string `json:"application"`
	// Path of the manifests in the repository.
	Path string `json:"path"`
	// Renderer: plain, kustomize, or empty for whichever fits.
	Renderer string `json:"renderer,omitempty"`
}

// Job returns the job of that name, or nil.
func (p *Plan) Job(name string) *Job {
	for i := range p.Jobs {
		if p.Jobs[i].Name == name {
			return &p.Jobs[i]
		}
	}
	return nil
}

// Encode as indented JSON.
func (p *Plan) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(p); err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	return b.Bytes(), nil
}

// Decode what Encode wrote, and check it.
func Decode(data []byte) (*Plan, error) {
	var p Plan
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("decode plan: %w", err)
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("decode plan: %w", err)
	}
	return &p, nil
}
