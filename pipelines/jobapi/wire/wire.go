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
	// EnvPost names the file that lets the step behind one that restores caches begin.
	EnvPost = "SLIPWAY_POST_FILE"
)

// FilesSuffix of the project directory gives that of the files of file variables.
const FilesSuffix = ".tmp"

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
	// Mask are the values that never appear in the log, whatever their bytes.
	Mask  [][]byte `json:"mask,omitempty"`
	Shell string   `json:"shell,omitempty"`
	// Pre runs before the source is there.
	Pre    []string `json:"pre,omitempty"`
	Before []string `json:"before,omitempty"`
	Main   []string `json:"main,omitempty"`
	After  []string `json:"after,omitempty"`
	// Trace prints each command with its values; Sections makes each a section of the log.
	Trace    bool `json:"trace,omitempty"`
	Sections bool `json:"sections,omitempty"`
	// Verb is "build" or "deploy" for a job that is done by the server, else empty.
	Verb string `json:"verb,omitempty"`
	// TimeoutSeconds of all that comes before after_script, MainTimeoutSeconds of
	// before_script and script, AfterTimeoutSeconds of after_script. 0: none, and 5m.
	TimeoutSeconds      int64 `json:"timeoutSeconds,omitempty"`
	MainTimeoutSeconds  int64 `json:"mainTimeoutSeconds,omitempty"`
	AfterTimeoutSeconds int64 `json:"afterTimeoutSeconds,omitempty"`
	// AfterCounts: a failure of after_script fails the job.
	AfterCounts bool `json:"afterCounts,omitempty"`
	// Coverage is a regular expression that finds the figure in the log.
	Coverage string `json:"coverage,omitempty"`
	// MaxLog is how many bytes of log are kept; 0: MaxLog below.
	MaxLog int64   `json:"maxLog,omitempty"`
	Caches []Cache `json:"caches,omitempty"`
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
	// Attempts at fetching it; 0 is 1.
	Attempts int `json:"attempts,omitempty"`
	// URL of the repository, without credentials. Jobs read it, as the user User with the
	// attempt's token, at the address Server.
	URL    string `json:"url,omitempty"`
	Server string `json:"server,omitempty"`
	User   string `json:"user,omitempty"`
	Commit string `json:"commit,omitempty"`
	// Ref is the short name of the branch or tag, for people.
	Ref string `json:"ref,omitempty"`
}

// Submodule is one of the answer of GET /submodules, those that others are in before
// them; GET /submodules/<index> is what it holds, as the source is.
type Submodule struct {
	// Path from the project directory; Parent is that of the submodule it is in.
	Path   string `json:"path"`
	Parent string `json:"parent,omitempty"`
	Name   string `json:"name"`
	URL    string `json:"url"`
	Commit string `json:"commit"`
}

// Variable of the environment.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	// Bytes is the value where it is not UTF-8.
	Bytes []byte `json:"bytes,omitempty"`
	// File: the script gets the name of a file that holds the value.
	File bool `json:"file,omitempty"`
}

// Text is the value, whichever way it travelled.
func (v *Variable) Text() string {
	if v.Bytes != nil {
		return string(v.Bytes)
	}
	return v.Value
}

// Cache of the job; GET and PUT /cache/<index> are its contents, a tar in zstd.
type Cache struct {
	// Key, for people. Where KeyFiles are given, the runner adds the hash of their
	// contents to it, and to the request as ?hash=.
	Key       string   `json:"key"`
	KeyFiles  []string `json:"keyFiles,omitempty"`
	Paths     []string `json:"paths,omitempty"`
	Untracked bool     `json:"untracked,omitempty"`
	Pull      bool     `json:"pull,omitempty"`
	Push      bool     `json:"push,omitempty"`
	// When it is pushed: on_success (or empty), on_failure, always.
	When string `json:"when,omitempty"`
}

// CacheKeyHeader of an answer says under which key the contents were found.
const CacheKeyHeader = "Slipway-Cache-Key"

// Artifacts to keep.
type Artifacts struct {
	Paths     []string `json:"paths,omitempty"`
	Exclude   []string `json:"exclude,omitempty"`
	Untracked bool     `json:"untracked,omitempty"`
	// When: on_success (or empty), on_failure, always.
	When string `json:"when,omitempty"`
	// Reports are glob patterns by kind; PUT /reports/<kind> takes a zip of the files.
	Reports map[string][]string `json:"reports,omitempty"`
}

// Kinds of reports that the server reads; others it keeps as they are.
const (
	ReportJUnit    = "junit"
	ReportDotenv   = "dotenv"
	ReportCoverage = "coverage"
)

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
	// Docker is what a request of docker made.
	Docker *DockerImage `json:"docker,omitempty"`
}

// Report of how the attempt ended, where the exit code does not say it.
type Report struct {
	ExitCode int    `json:"exitCode"`
	Message  string `json:"message,omitempty"`
	// Reason of a failure: script, timeout, system.
	Reason string `json:"reason,omitempty"`
	// Coverage in per cent, from the log.
	Coverage string `json:"coverage,omitempty"`
}

// Limits of the exchange.
const (
	MaxArtifacts  = 1 << 30
	MaxContext    = 2 << 30
	MaxJob        = 16 << 20
	MaxUnpacked   = 8 << 30
	MaxEntries    = 500_000
	MaxReportSize = 64 << 10
	// MaxLog is what is kept of a log that has no limit of its own.
	MaxLog = 64 << 20
	// MaxReport bounds the files of one kind of report, packed.
	MaxReport = 64 << 20
	// MaxCache bounds one cache, packed.
	MaxCache = 4 << 30
)
