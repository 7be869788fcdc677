package gitlab

import (
	"cmp"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

var skipCI = regexp.MustCompile(`(?i)\[(ci[ _-]skip|skip[ _-]ci)\]`)

const (
	noCommit     = "0000000000000000000000000000000000000000"
	mergeRequest = MergeRequestEvent
)

// MergeRequestEvent is the source of the pipelines of merge requests.
const MergeRequestEvent = "merge_request_event"

// attemptVariables that the runner gives to an attempt, and no rule sees.
var attemptVariables = names("CI_JOB_ID CI_JOB_STATUS CI_JOB_STARTED_AT CI_JOB_TIMEOUT CI_JOB_TOKEN CI_JOB_URL",
	"CI_BUILDS_DIR CI_PROJECT_DIR CI_CONCURRENT_ID CI_CONCURRENT_PROJECT_ID CI_REPOSITORY_URL",
	"CI_REGISTRY_USER CI_REGISTRY_PASSWORD CI_RUNNER_DESCRIPTION CI_RUNNER_EXECUTABLE_ARCH CI_RUNNER_ID",
	"CI_RUNNER_REVISION CI_RUNNER_SHORT_TOKEN CI_RUNNER_TAGS CI_RUNNER_VERSION CI_SERVER_TLS_CA_FILE")

func names(lines ...string) map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(strings.Join(lines, " ")) {
		m[name] = true
	}
	return m
}

// predefinedVariables of a run, in order. One without a value is not set. Those of a
// job (CI_JOB_NAME, CI_NODE_INDEX, CI_ENVIRONMENT_NAME and so on) are made where the
// job is read.
var predefinedVariables = []struct {
	name  string
	value func(c *Context) string
}{
	{"CI", always("true")},
	{"GITLAB_CI", always("true")},
	{"SLIPWAY", always("true")},
	{"CI_SERVER", always("yes")},
	{"CI_SERVER_NAME", always("Slipway")},
	{"CI_SERVER_URL", func(c *Context) string { return c.server().whole }},
	{"CI_SERVER_HOST", func(c *Context) string { return c.server().host }},
	{"CI_SERVER_PORT", func(c *Context) string { return c.server().port }},
	{"CI_SERVER_FQDN", func(c *Context) string { return c.server().fqdn }},
	{"CI_SERVER_PROTOCOL", func(c *Context) string { return c.server().protocol }},
	{"CI_SERVER_VERSION", func(c *Context) string { return c.Version }},
	{"CI_SERVER_VERSION_MAJOR", func(c *Context) string { return c.versionPart(0) }},
	{"CI_SERVER_VERSION_MINOR", func(c *Context) string { return c.versionPart(1) }},
	{"CI_SERVER_VERSION_PATCH", func(c *Context) string { return c.versionPart(2) }},
	{"CI_COMMIT_SHA", func(c *Context) string { return c.Commit }},
	{"CI_COMMIT_SHORT_SHA", func(c *Context) string { return c.Commit[:min(8, len(c.Commit))] }},
	{"CI_COMMIT_BEFORE_SHA", (*Context).before},
	{"CI_COMMIT_REF_NAME", (*Context).refName},
	{"CI_COMMIT_REF_SLUG", func(c *Context) string { return slug(c.refName()) }},
	{"CI_COMMIT_REF_PROTECTED", func(c *Context) string { return strconv.FormatBool(c.Protected) }},
	{"CI_COMMIT_BRANCH", func(c *Context) string { return c.unlessMerge(c.Branch) }},
	{"CI_COMMIT_TAG", func(c *Context) string { return c.Tag }},
	{"CI_COMMIT_TAG_MESSAGE", func(c *Context) string { return c.TagMessage }},
	{"CI_COMMIT_MESSAGE", func(c *Context) string { return c.Message }},
	{"CI_COMMIT_MESSAGE_IS_TRUNCATED", always("false")},
	{"CI_COMMIT_TITLE", (*Context).title},
	{"CI_COMMIT_DESCRIPTION", (*Context).description},
	{"CI_COMMIT_AUTHOR", func(c *Context) string { return c.Author }},
	{"CI_COMMIT_TIMESTAMP", func(c *Context) string { return stamp(c.Time) }},
	{"CI_DEFAULT_BRANCH", func(c *Context) string { return c.DefaultBranch }},
	{"CI_DEFAULT_BRANCH_SLUG", func(c *Context) string { return slug(c.DefaultBranch) }},
	{"CI_PIPELINE_ID", func(c *Context) string { return c.RunID }},
	{"CI_PIPELINE_IID", func(c *Context) string { return positive(c.RunNumber) }},
	{"CI_PIPELINE_URL", (*Context).runURL},
	{"CI_PIPELINE_SOURCE", (*Context).source},
	{"CI_PIPELINE_TRIGGERED", func(c *Context) string { return when(c.source() == "trigger", "true") }},
	{"CI_PIPELINE_SCHEDULE_DESCRIPTION", func(c *Context) string { return when(c.source() == "schedule", c.Schedule) }},
	{"CI_PIPELINE_CREATED_AT", func(c *Context) string { return stamp(c.Created) }},
	{"CI_PROJECT_ID", (*Context).path},
	{"CI_PROJECT_NAME", func(c *Context) string { return c.ProjectName }},
	{"CI_PROJECT_TITLE", func(c *Context) string { return c.ProjectName }},
	{"CI_PROJECT_NAMESPACE", func(c *Context) string { return c.Namespace }},
	{"CI_PROJECT_NAMESPACE_ID", func(c *Context) string { return c.Namespace }},
	{"CI_PROJECT_NAMESPACE_SLUG", func(c *Context) string { return slug(c.Namespace) }},
	{"CI_PROJECT_ROOT_NAMESPACE", func(c *Context) string { return c.Namespace }},
	{"CI_PROJECT_PATH", (*Context).path},
	{"CI_PROJECT_PATH_SLUG", func(c *Context) string { return slug(c.path()) }},
	{"CI_PROJECT_URL", (*Context).projectURL},
	{"CI_PROJECT_VISIBILITY", always("private")},
	{"CI_REGISTRY", always(v1alpha1.RegistryHost)},
	{"CI_REGISTRY_IMAGE", func(c *Context) string { return v1alpha1.RegistryHost + "/" + c.path() }},
	{"CI_TEMPLATE_REGISTRY_HOST", always("registry.gitlab.com")},
	// Images are pulled through this server anyway.
	{"CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX", always("docker.io")},
	{"CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX", always("docker.io")},
	{"CI_OPEN_MERGE_REQUESTS", func(c *Context) string { return strings.Join(c.OpenRequests, ",") }},
	{"CI_DISPOSABLE_ENVIRONMENT", always("true")},
	{"CI_UPSTREAM_PIPELINE_ID", func(c *Context) string { return c.Upstream.RunID }},
	{"CI_UPSTREAM_PROJECT_ID", func(c *Context) string { return c.Upstream.Project }},
	{"CI_UPSTREAM_JOB_ID", func(c *Context) string { return c.Upstream.JobID }},
	{"CI_MERGE_REQUEST_ID", func(c *Context) string { return c.ifMerge(positive(c.MergeRequest)) }},
	{"CI_MERGE_REQUEST_IID", func(c *Context) string { return c.ifMerge(positive(c.MergeRequest)) }},
	{"CI_MERGE_REQUEST_EVENT_TYPE", func(c *Context) string { return c.ifMerge("detached") }},
	{"CI_MERGE_REQUEST_REF_PATH", func(c *Context) string { return c.ifMerge(c.Ref) }},
	{"CI_MERGE_REQUEST_TITLE", func(c *Context) string { return c.ifMerge(cmp.Or(c.Request.Title, c.title())) }},
	{"CI_MERGE_REQUEST_DESCRIPTION", func(c *Context) string { return c.ifMerge(when(c.Request.Title == "", c.description())) }},
	{"CI_MERGE_REQUEST_DRAFT", func(c *Context) string { return c.ifMerge(when(c.Request.Draft, "true")) }},
	{"CI_MERGE_REQUEST_PROJECT_ID", func(c *Context) string { return c.ifMerge(c.path()) }},
	{"CI_MERGE_REQUEST_PROJECT_PATH", func(c *Context) string { return c.ifMerge(c.path()) }},
	{"CI_MERGE_REQUEST_PROJECT_URL", func(c *Context) string { return c.ifMerge(c.projectURL()) }},
	{"CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", func(c *Context) string { return c.ifMerge(c.Branch) }},
	{"CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED", func(c *Context) string { return c.ifMerge(when(c.Protected, "true")) }},
	{"CI_MERGE_REQUEST_SOURCE_PROJECT_ID", func(c *Context) string { return c.ifMerge(c.sourceProject()) }},
	{"CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", func(c *Context) string { return c.ifMerge(c.sourceProject()) }},
	{"CI_MERGE_REQUEST_SOURCE_PROJECT_URL", func(c *Context) string { return c.ifMerge(when(!c.Request.Fork, c.projectURL())) }},
	{"CI_MERGE_REQUEST_TARGET_BRANCH_NAME", func(c *Context) string { return c.ifMerge(c.target()) }},
	{"CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED", func(c *Context) string { return c.ifMerge(when(c.TargetProtected, "true")) }},
	{"CI_MERGE_REQUEST_DIFF_BASE_SHA", func(c *Context) string { return c.ifMerge(c.DiffBase) }},
	{"GITLAB_USER_LOGIN", func(c *Context) string { return c.By }},
	{"GITLAB_USER_NAME", func(c *Context) string { return c.By }},
	{"GITLAB_USER_ID", func(c *Context) string { return c.By }},
}

// predefined variables of the whole run.
func (c *Context) predefined(file string) []plan.Variable {
	vars := []plan.Variable{}
	for _, p := range predefinedVariables {
		if v := p.value(c); v != "" {
			vars = append(vars, plan.Variable{Name: p.name, Value: v, Raw: true})
		}
	}
	return append(vars, plan.Variable{Name: "CI_CONFIG_PATH", Value: file, Raw: true})
}

// Predefined variables of a run of the named file, for plans that no file describes.
func Predefined(file string, in Context) []plan.Variable { return in.predefined(file) }

func always(value string) func(*Context) string { return func(*Context) string { return value } }

func when(yes bool, value string) string {
	if yes {
		return value
	}
	return ""
}

func positive(n int64) string { return when(n > 0, strconv.FormatInt(n, 10)) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func (c *Context) source() string {
	if c.Source == "" {
		return "push"
	}
	return c.Source
}

// merge says whether the run is one of a merge request, or a child of one.
func (c *Context) merge() bool { return c.OfMergeRequest || c.source() == mergeRequest }

func (c *Context) ifMerge(value string) string     { return when(c.merge(), value) }
func (c *Context) unlessMerge(value string) string { return when(!c.merge(), value) }

// target branch of a merge request.
func (c *Context) target() string {
	if c.Target != "" {
		return c.Target
	}
	return c.DefaultBranch
}

func (c *Context) refName() string {
	if c.Branch != "" {
		return c.Branch
	}
	return c.Tag
}

// before is the ref's commit before the push; none where nothing was pushed. A child
// pipeline has that of its parent.
func (c *Context) before() string {
	if source := c.source(); c.Before == "" || c.merge() || source != "push" && source != "parent_pipeline" {
		return noCommit
	}
	return c.Before
}

func (c *Context) title() string {
	title, _, _ := strings.Cut(c.Message, "\n")
	return title
}

// description is the message without its first line where that is short.
func (c *Context) description() string {
	title, rest, _ := strings.Cut(c.Message, "\n")
	if len(title) >= 100 {
		return c.Message
	}
	return strings.TrimLeft(rest, "\n")
}

func (c *Context) path() string { return c.Namespace + "/" + c.ProjectName }

// sourceProject is where the branch of a merge request is; a fork that is gone has no name.
func (c *Context) sourceProject() string {
	if c.Request.Fork {
		return cmp.Or(c.Request.Project, "unknown")
	}
	return c.path()
}

func (c *Context) projectURL() string { return when(c.ServerURL != "", c.ServerURL+"/git/"+c.path()) }

// runURL is the page of the run.
func (c *Context) runURL() string {
	return when(c.ServerURL != "" && c.RunID != "", c.ServerURL+"/runs/"+url.PathEscape(c.Namespace)+"/"+url.PathEscape(c.RunID))
}

func (c *Context) versionPart(i int) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(c.Version, "v"), "-")
	if parts := strings.Split(version, "."); i < len(parts) {
		return parts[i]
	}
	return ""
}

type server struct{ whole, host, port, fqdn, protocol string }

func (c *Context) server() server {
	u, err := url.Parse(c.ServerURL)
	if err != nil || u.Host == "" {
		return server{}
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return server{whole: c.ServerURL, host: u.Hostname(), port: port, fqdn: u.Host, protocol: u.Scheme}
}

func (c *Context) skipped() bool {
	if c.source() != "push" {
		return false
	}
	return skipCI.MatchString(c.Message)
}

// slug as GitLab makes CI_COMMIT_REF_SLUG.
func slug(s string) string {
	b := []byte(strings.ToLower(s))
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			b[i] = '-'
		}
	}
	return strings.Trim(string(b[:min(63, len(b))]), "-")
}
