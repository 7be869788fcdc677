package plan

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Image that a job runs in. An empty name means the server's default.
type Image struct {
	// Name may refer to variables that only the attempt knows; a "$" in it is nothing else.
	Name       string   `json:"name,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	// Pull: always, if-not-present, never; empty for the server's default.
	Pull string `json:"pull,omitempty"`
	// PullNext are the ways to try in turn where Pull does not give the image.
	PullNext []string `json:"pullNext,omitempty"`
	// User is a name or number that the container runs as; empty for the image's.
	User string `json:"user,omitempty"`
}

// Service is a container beside the job, reachable from it by its names.
type Service struct {
	Image Image `json:"image"`
	// Names it is reachable by. Where the image refers to variables, HostNames of it are
	// added once it is known.
	Names     []string   `json:"names"`
	Command   []string   `json:"command,omitempty"`
	Variables []Variable `json:"variables,omitempty"`
}

// Script is what a job runs. Before and Main run in one shell, which stops at the
// first command that fails (`set -e`, and `set -o pipefail` where the shell has it).
// After runs in a second shell, always, and its result does not count.
type Script struct {
	// Shell: empty means bash where the image has it, otherwise sh.
	Shell string `json:"shell,omitempty"`
	// Pre runs in a shell of its own before the source is there; its failure is the job's.
	Pre    []string `json:"pre,omitempty"`
	Before []string `json:"before,omitempty"`
	Main   []string `json:"main,omitempty"`
	After  []string `json:"after,omitempty"`
	// MainTimeout of Before and Main, AfterTimeout of After (default 5m).
	MainTimeout  metav1.Duration `json:"mainTimeout,omitzero"`
	AfterTimeout metav1.Duration `json:"afterTimeout,omitzero"`
	// AfterCounts: a failure of After fails the job.
	AfterCounts bool `json:"afterCounts,omitempty"`
	// Trace prints each command before it runs, with values expanded (`set -x`).
	Trace bool `json:"trace,omitempty"`
	// Sections makes every entry of Before and Main a section of the log that folds.
	Sections bool `json:"sections,omitempty"`
}

// Checkout says how the source comes into the project directory.
type Checkout struct {
	// Strategy: "" (working tree and history), "empty" (nothing, the directory is new)
	// or "none" (nothing, the directory is left as it is).
	Strategy string `json:"strategy,omitempty"`
	// Depth of the history in commits; 0: all of it.
	Depth int `json:"depth,omitempty"`
	// Submodules: "" (none), "normal" or "recursive"; of the first level only those that
	// SubmodulePaths choose, as git's pathspecs do. SubmoduleDepth of their history; 0: all.
	Submodules     string   `json:"submodules,omitempty"`
	SubmodulePaths []string `json:"submodulePaths,omitempty"`
	SubmoduleDepth int      `json:"submoduleDepth,omitempty"`
	// Skip leaves the working tree unwritten; only the history is there.
	Skip bool `json:"skip,omitempty"`
	// Clean are the flags of git clean, for a directory that is used again; nil: -ffdx; none: it is not cleaned.
	Clean []string `json:"clean,omitzero"`
	// Directory of the project below the builds directory; empty: <namespace>/<repository>.
	Directory string `json:"directory,omitempty"`
	// Attempts at fetching the source; 0 is 1.
	Attempts int `json:"attempts,omitempty"`
}

// Cache is a set of files that attempts share, found by its key.
type Cache struct {
	// Key may refer to variables. KeyFiles, where the front end could not read them: the
	// key is KeyPrefix, a dash and a hash of what is in these files, or "default".
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
	// Access: "" or all (who may read the run), developer, maintainer, none.
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
