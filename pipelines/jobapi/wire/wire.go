// Package wire owns the JSON that a job's pod and the server exchange, and the paths
// and limits of that exchange. It holds no behaviour and imports nothing, so that the
// runner stays small. Start at Job.
package wire

// Environment of the run-job step, set by the Run controller.
const (
	// EnvURL is the address of the attempt: https://<server>/api/v1/jobs/<ns>/<run>/<job>/<attempt>.
	EnvURL = "SLIPWAY_JOB_URL"
	// EnvCredentials is the directory with the files token and ca.crt.
	EnvCredentials = "SLIPWAY_JOB_CREDENTIALS"
	// EnvBuilds is the directory below which projects are unpacked.
	EnvBuilds = "SLIPWAY_JOB_BUILDS"
)

// Files of the credentials directory.
const (
	TokenFile = "token"
	CAFile    = "ca.crt"
)

// Job is one attempt, ready to run: everything is resolved.
type Job struct {
	Name    string `json:"name"`
	Attempt int    `json:"attempt"`
	// Directory of the project below the builds directory, as "default/shop".
	Directory string     `json:"directory"`
	Checkout  Checkout   `json:"checkout,omitzero"`
	Env       []Variable `json:"env,omitempty"`
	// Mask are the values that never appear in the log.
	Mask   []string `json:"mask,omitempty"`
	Shell  string   `json:"shell,omitempty"`
	Before []string `json:"before,omitempty"`
	Main   []string `json:"main,omitempty"`
	After  []string `json:"after,omitempty"`
	// Verb is "build" or "deploy" for a job that is done by the server, else empty.
	Verb string `json:"verb,omitempty"`
	// TimeoutSeconds of before_script and script together.
	TimeoutSeconds int64 `json:"timeoutSeconds,omitempty"`
	// Needs are the jobs whose artifacts are unpacked first, by ID.
	Needs     []string   `json:"needs,omitempty"`
	Artifacts *Artifacts `json:"artifacts,omitempty"`
	// Services are beside the job; GET /services says which.
	Services bool `json:"services,omitempty"`
	// Entrypoint that the scripts are run by. ImageEntrypoint: it is the image's own,
	// and nobody asked for it.
	Entrypoint      []string `json:"entrypoint,omitempty"`
	ImageEntrypoint bool     `json:"imageEntrypoint,omitempty"`
}

// Checkout says what becomes of the project directory before the script.
type Checkout struct {
	// Strategy: "" (working tree and history), "empty" or "none".
	Strategy string `json:"strategy,omitempty"`
	// Skip leaves the working tree out.
	Skip bool `json:"skip,omitempty"`
	// Submodules: "", "normal" or "recursive".
	Submodules string `json:"submodules,omitempty"`
	// URL of the repository, without credentials.
	URL    string `json:"url,omitempty"`
	Commit string `json:"commit,omitempty"`
	// Ref is the short name of the branch or tag, for people.
	Ref string `json:"ref,omitempty"`
}

// Variable of the environment.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Artifacts to keep.
type Artifacts struct {
	Paths   []string `json:"paths,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	// When: on_success (or empty), on_failure, always.
	When string `json:"when,omitempty"`
}

// Build asks for an image. All zero: what the job's plan says.
type Build struct {
	Dockerfile string            `json:"dockerfile,omitempty"`
	Context    string            `json:"context,omitempty"`
	Target     string            `json:"target,omitempty"`
	Image      string            `json:"image,omitempty"`
	Args       map[string]string `json:"args,omitempty"`
	// Uploaded: the request's body is a tar.gz of the context; else it is the commit.
	Uploaded bool `json:"uploaded,omitempty"`
}

// Deploy asks for a release. All zero: what the job's plan says.
type Deploy struct {
	Application string `json:"application,omitempty"`
	Path        string `json:"path,omitempty"`
	Renderer    string `json:"renderer,omitempty"`
}

// Event is one line of the answer to Build and Deploy; the last one has Done.
type Event struct {
	Log   string `json:"log,omitempty"`
	Done  bool   `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
	// Image is "name@digest" of what was pushed.
	Image string `json:"image,omitempty"`
}

// Report of how the attempt ended, where the exit code does not say it.
type Report struct {
	ExitCode int    `json:"exitCode"`
	Message  string `json:"message,omitempty"`
}

// Limits of the exchange.
const (
	MaxArtifacts  = 1 << 30
	MaxContext    = 2 << 30
	MaxJob        = 16 << 20
	MaxUnpacked   = 8 << 30
	MaxEntries    = 500_000
	MaxReportSize = 64 << 10
)
