package gitlab

import (
	"encoding/json"
	"time"

	"slipway.dev/pipelines/plan"
)

// Files is the commit being compiled, as far as a pipeline may read it. Paths are
// slash-separated, from the root.
type Files interface {
	// File is fs.ErrNotExist where there is none.
	File(path string) ([]byte, error)
	// List names all files, sorted.
	List() ([]string, error)
	// Changed names the files that differ between from (a branch, tag or commit) and
	// this commit. For a branch or tag, their merge base is compared.
	Changed(from string) ([]string, error)
}

// Includes is what a file may include and the commit does not hold.
type Includes interface {
	// Project is another repository of the namespace, at a branch, tag or commit (empty:
	// the head of its default branch), and the commit that this is. It is
	// fs.ErrNotExist where the namespace has no such repository or that no such ref.
	Project(name, ref string) (files Files, commit string, err error)
	// Tags of that repository.
	Tags(name string) ([]string, error)
	// Remote fetches an address, where the server allows it, or takes what it has had
	// for less than within.
	Remote(url string, within time.Duration) ([]byte, error)
}

// Request is a merge request as its forge describes it.
type Request struct {
	Title string
	// Project that the branch is in, where that is another one: a fork.
	Project string
	Fork    bool
	Draft   bool
}

// Context is what a file is compiled for: one commit on one ref.
type Context struct {
	// Ref is the full name; Branch or Tag its short one.
	Ref, Branch, Tag string
	Commit           string
	// Before is the commit of the ref before the push, empty for a new ref. It counts
	// where the source is a push, or the run is the child of one.
	Before string
	// Source is GitLab's word for the cause: push (default), web, api, schedule,
	// trigger, pipeline, parent_pipeline, merge_request_event.
	Source        string
	DefaultBranch string
	// ProjectName and Namespace are the repository's.
	ProjectName, Namespace string
	// ServerURL is the front door's address, without a slash at its end.
	ServerURL string
	// RunID is the name of the run, and RunNumber its number in the repository.
	RunID     string
	RunNumber int64
	// Message, Author ("Name <address>") and Time are the commit's.
	Message, Author string
	Time            time.Time
	// By is the user that caused the run.
	By string
	// Files of the commit; nil: there are none but the one that is compiled.
	Files Files
	// Includes beyond the commit; nil: nothing is allowed.
	Includes Includes
	// Inputs for the spec:inputs of the file, each a JSON value.
	Inputs map[string]json.RawMessage
	// Target is the branch that a merge_request_event is to be merged into; empty: the
	// default branch. MergeRequest is its number, where a forge gave it one.
	Target       string
	MergeRequest int64
	// Request is what the forge says of it.
	Request Request
	// OfMergeRequest: the run is a child of one of a merge request, whatever its Source.
	OfMergeRequest bool
	// Upstream is the job that started the run, where one did.
	Upstream Upstream
	// OpenRequests are the merge requests that are open of the branch, each as
	// NAMESPACE/REPOSITORY!NUMBER.
	OpenRequests []string
	// TargetProtected: the target branch is one that few may push to. DiffBase is the
	// commit where the source left it.
	TargetProtected bool
	DiffBase        string
	// Protected: the branch or tag is one that few may push to.
	Protected bool
	// TagMessage of an annotated tag.
	TagMessage string
	// Schedule is what the schedule that started the run says of itself.
	Schedule string
	// Version of the server.
	Version string
	// Created is when the run was made.
	Created time.Time
	// Variables given by hand; they override the file's.
	Variables []plan.Variable
	// Secrets that jobs get: the variables of the repository, for the plan.
	Secrets []plan.SecretRef
	// Repository yields the variables of the repository for a job with that environment
	// (empty: none), each name once. nil: there are none that are known.
	Repository func(environment string) []Known
}

// Known is a variable of the repository. A masked one decides in expressions, and stands
// in an image name that the attempt fills in; its value is never in a plan or a problem.
type Known struct {
	plan.Variable
	Masked bool
}

// Upstream is a job of another run: its ID, that run's and that one's project's path.
type Upstream struct {
	JobID, RunID, Project string
}
