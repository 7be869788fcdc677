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
	// Secrets that reach an attempt as variables; their values are never in a plan.
	Secrets []SecretRef `json:"secrets,omitempty"`
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

// Image that a job runs in. An empty name means the server's default.
type Image struct {
	Name       string   `json:"name,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	// Pull: always, if-not-present, never; empty for the server's default.
	Pull string `json:"pull,omitempty"`
	// User is a name or number that the container runs as; empty for the image's.
	User string `json:"user,omitempty"`
}

// Service is a container beside the job, reachable from it by its names.
type Service struct {
	Image Image `json:"image"`
	// Names it is reachable by; never empty.
	Names     []string   `json:"names"`
	Command   []string   `json:"command,omitempty"`
	Variables []Variable `json:"variables,omitempty"`
}

// Checkout says how the source comes into the project directory.
type Checkout struct {
	// Strategy: "" (working tree and history), "empty" (nothing, the directory is new)
	// or "none" (nothing, the directory is left as it is).
	Strategy string `json:"strategy,omitempty"`
	// Depth of the history in commits; 0: all of it.
	Depth int `json:"depth,omitempty"`
	// Submodules: "" (none), "normal" or "recursive".
	Submodules string `json:"submodules,omitempty"`
	// Skip leaves the working tree unwritten; only the history is there.
	Skip bool `json:"skip,omitempty"`
	// Clean are the flags of git clean, for a directory that is used again; nil: -ffdx.
	Clean []string `json:"clean,omitempty"`
	// Directory of the project below the builds directory; empty: <namespace>/<repository>.
	Directory string `json:"directory,omitempty"`
}

// Cache is a set of files that attempts share, found by its key.
type Cache struct {
	// Key may refer to variables. KeyFiles: the key is KeyPrefix and a hash of what
	// these files last changed in.
	Key       string   `json:"key,omitempty"`
	KeyFiles  []string `json:"keyFiles,omitempty"`
	KeyPrefix string   `json:"keyPrefix,omitempty"`
	// Fallback keys are tried in turn where there is nothing under the key.
	Fallback  []string `json:"fallback,omitempty"`
	Paths     []string `json:"paths"`
	Untracked bool     `json:"untracked,omitempty"`
	// Pull before the script; Push after it.
	Pull bool `json:"pull"`
	Push bool `json:"push"`
	// When it is pushed: on_success (default), on_failure, always.
	When When `json:"when,omitempty"`
	// Shared between protected and other refs.
	Shared bool `json:"shared,omitempty"`
}

// IDToken is an OpenID Connect token of the attempt in a variable.
type IDToken struct {
	Variable  string   `json:"variable"`
	Audiences []string `json:"audiences"`
}

// Environment that a job deploys to, or stops.
type Environment struct {
	// Name and URL may refer to variables; URL also to those that the job itself reports.
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
	// Action: start (default), prepare, stop, verify, access.
	Action string `json:"action,omitempty"`
	// OnStop is the job that stops it.
	OnStop string `json:"onStop,omitempty"`
	// AutoStop stops it this long after the last deployment; zero: never.
	AutoStop metav1.Duration `json:"autoStop,omitzero"`
	// Tier: production, staging, testing, development, other.
	Tier string `json:"tier,omitempty"`
}

// AutoCancel of a run.
type AutoCancel struct {
	// OnNewCommit: conservative (default: only while nothing has started that is not
	// interruptible), interruptible (the jobs that are), none.
	OnNewCommit string `json:"onNewCommit,omitempty"`
	// OnJobFailure: none (default) or all.
	OnJobFailure string `json:"onJobFailure,omitempty"`
}

// Trigger starts another run: a child of this one from Files of the same commit (or
// of artifacts), or one of another repository in the same namespace.
type Trigger struct {
	Files      []TriggerFile `json:"files,omitempty"`
	Repository string        `json:"repository,omitempty"`
	// Branch of Repository; empty: its default branch.
	Branch string `json:"branch,omitempty"`
	// Depend: the job takes the other run's end as its own. Mirror: its state at each time.
	Depend bool `json:"depend,omitempty"`
	Mirror bool `json:"mirror,omitempty"`
	// ForwardVariables of the pipeline and the job; ForwardGiven those given by hand.
	ForwardVariables bool `json:"forwardVariables,omitempty"`
	ForwardGiven     bool `json:"forwardGiven,omitempty"`
	// Inputs of the other pipeline, each a JSON value.
	Inputs map[string]json.RawMessage `json:"inputs,omitempty"`
}

// TriggerFile is one pipeline file of a child. With Job, it is an artifact of that job.
type TriggerFile struct {
	Path string `json:"path"`
	Job  string `json:"job,omitempty"`
	// Include is set where the file is not in the commit: the front end's own words for it.
	Include json.RawMessage            `json:"include,omitempty"`
	Inputs  map[string]json.RawMessage `json:"inputs,omitempty"`
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
	// MainTimeout of Before and Main, AfterTimeout of After (default 5m).
	MainTimeout  metav1.Duration `json:"mainTimeout,omitzero"`
	AfterTimeout metav1.Duration `json:"afterTimeout,omitzero"`
	// AfterCounts: a failure of After fails the job.
	AfterCounts bool `json:"afterCounts,omitempty"`
}

// Variable of the environment. References in a value that is not Raw are expanded
// late, by Environment, when secrets and the attempt are known.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Raw   bool   `json:"raw,omitempty"`
	// File: the attempt gets the name of a file that holds the value.
	File bool `json:"file,omitempty"`
}

// SecretRef is a variable whose value is a key of a Secret in the run's namespace.
type SecretRef struct {
	Variable string `json:"variable"`
	Secret   string `json:"secret"`
	Key      string `json:"key"`
	// Raw and File as those of a Variable.
	Raw  bool `json:"raw,omitempty"`
	File bool `json:"file,omitempty"`
	// Visible in logs: not masked.
	Visible bool `json:"visible,omitempty"`
	// Environment is a pattern of names ("production", "review/*"); empty for all jobs.
	Environment string `json:"environment,omitempty"`
}

// Artifacts that a job leaves for later jobs and for people.
type Artifacts struct {
	// Name of the archive, without suffix; may refer to variables.
	Name string `json:"name,omitempty"`
	// Paths and Exclude are glob patterns below the project directory ("**" crosses directories).
	Paths   []string `json:"paths,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	// Untracked files of the project directory too, as git has it.
	Untracked bool `json:"untracked,omitempty"`
	// ExposeAs is the link's text on the run's page.
	ExposeAs string `json:"exposeAs,omitempty"`
	// Access: "" or all (who may read the run), developer, none.
	Access  string  `json:"access,omitempty"`
	Reports Reports `json:"reports,omitzero"`
	// When they are kept: on_success (default), on_failure or always.
	When When `json:"when,omitempty"`
	// ExpireIn after the job; zero: the server's default.
	ExpireIn metav1.Duration `json:"expireIn,omitzero"`
	// Keep for ever.
	Keep bool `json:"keep,omitempty"`
}

// Reports are files that are read, and kept whatever When says. All are glob patterns.
type Reports struct {
	JUnit []string `json:"junit,omitempty"`
	// Dotenv files give variables to the jobs that take this job's artifacts.
	Dotenv []string `json:"dotenv,omitempty"`
	// Coverage in Cobertura or JaCoCo XML.
	Coverage       string `json:"coverage,omitempty"`
	CoverageFormat string `json:"coverageFormat,omitempty"`
	// Other reports are kept as files, by their kind.
	Other map[string][]string `json:"other,omitempty"`
}

// When a job runs, given how the jobs that it needs ended.
type When string

// The conditions. Manual is on_success, and then waits for a person; Delayed is
// on_success, and then waits for StartIn.
const (
	OnSuccess When = "on_success"
	OnFailure When = "on_failure"
	Always    When = "always"
	Manual    When = "manual"
	Delayed   When = "delayed"
	Never     When = "never"
)

// Retry of failed attempts.
type Retry struct {
	// Max number of attempts after the first.
	Max int `json:"max,omitempty"`
	// When: kinds of failure (script, timeout, system, image, lost); empty: all.
	When []string `json:"when,omitempty"`
	// ExitCodes: a script's failure is retried with these only; empty: all.
	ExitCodes []int32 `json:"exitCodes,omitempty"`
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
