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
	// Asked are those of the variables that a person is told of who starts a run.
	Asked []Asked `json:"asked,omitempty"`
	// Given by hand when the run was started; they override everything else.
	Given []Variable `json:"given,omitempty"`
	Jobs  []Job      `json:"jobs"`
	// AutoCancel says what ends this run early.
	AutoCancel AutoCancel `json:"autoCancel,omitzero"`
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
	// Without names the pipeline's variables that this job does not get.
	Without []string `json:"without,omitempty"`
	// Secrets that reach an attempt as variables; their values are never in a plan.
	Secrets []SecretRef `json:"secrets,omitempty"`
	// External are variables whose values another server keeps.
	External []External `json:"external,omitempty"`
	// IDTokens are signed for the attempt when it starts, and reach it as variables.
	IDTokens  []IDToken  `json:"idTokens,omitempty"`
	Services  []Service  `json:"services,omitempty"`
	Checkout  Checkout   `json:"checkout,omitzero"`
	Caches    []Cache    `json:"caches,omitempty"`
	Artifacts *Artifacts `json:"artifacts,omitempty"`
	When      When       `json:"when"`
	// StartIn is how long a Delayed job waits once its needs have ended.
	StartIn metav1.Duration `json:"startIn,omitzero"`
	// Confirmation is what a person is asked before a Manual job starts.
	Confirmation string `json:"confirmation,omitempty"`
	// AllowFailure: a failure of it is no failure of the run.
	AllowFailure bool `json:"allowFailure,omitempty"`
	// AllowExitCodes: only a failure with one of these exit codes is allowed.
	AllowExitCodes []int32 `json:"allowExitCodes,omitempty"`
	// Timeout of one attempt; zero: the server's default.
	Timeout metav1.Duration `json:"timeout,omitzero"`
	Retry   Retry           `json:"retry,omitzero"`
	// Interruptible: a newer commit on the branch may cancel it.
	Interruptible bool `json:"interruptible,omitempty"`
	// ResourceGroup: one job of the repository at a time among those that name it.
	ResourceGroup string       `json:"resourceGroup,omitempty"`
	Environment   *Environment `json:"environment,omitempty"`
	// Coverage is a regular expression (RE2); the last match in the log is the figure.
	Coverage string `json:"coverage,omitempty"`
	// Nodes are labels that the node must have, as "gpu" or "kubernetes.io/arch=arm64".
	Nodes []string `json:"nodes,omitempty"`
	// Group is the name that the copies of one job share, each with its own Name.
	Group string `json:"group,omitempty"`
	// Trigger makes this the start of another run; there is no script.
	Trigger *Trigger `json:"trigger,omitempty"`
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
