package gitlab

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
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
	// Remote fetches an address, where the server allows it.
	Remote(url string) ([]byte, error)
}

// Context is what a file is compiled for: one commit on one ref.
type Context struct {
	// Ref is the full name; Branch or Tag its short one.
	Ref, Branch, Tag string
	Commit           string
	// Before is the commit of the ref before the push, empty for a new ref.
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
	// Variables given by hand; they override the file's.
	Variables []plan.Variable
	// Secrets that every job gets. In rules only their being set is known.
	Secrets []plan.SecretRef
}

const noCommit = "0000000000000000000000000000000000000000"

// predefined variables of the whole run. Those of an attempt (CI_JOB_ID,
// CI_PROJECT_DIR, CI_BUILDS_DIR, CI_JOB_STATUS, CI_JOB_STARTED_AT) are the runner's.
func (c *Context) predefined(file string) []plan.Variable {
	var vars []plan.Variable
	set := func(name, value string) {
		vars = append(vars, plan.Variable{Name: name, Value: value, Raw: true})
	}
	opt := func(name, value string) {
		if value != "" {
			set(name, value)
		}
	}
	ref := c.Branch
	if ref == "" {
		ref = c.Tag
	}
	set("CI", "true")
	set("GITLAB_CI", "true")
	set("SLIPWAY", "true")
	set("CI_SERVER", "yes")
	set("CI_SERVER_NAME", "Slipway")
	if u, err := url.Parse(c.ServerURL); err == nil && u.Host != "" {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		set("CI_SERVER_URL", c.ServerURL)
		set("CI_SERVER_HOST", u.Hostname())
		opt("CI_SERVER_PORT", port)
		set("CI_SERVER_FQDN", u.Host)
		set("CI_SERVER_PROTOCOL", u.Scheme)
	}
	set("CI_COMMIT_SHA", c.Commit)
	set("CI_COMMIT_SHORT_SHA", c.Commit[:min(8, len(c.Commit))])
	before := c.Before
	if before == "" {
		before = noCommit
	}
	set("CI_COMMIT_BEFORE_SHA", before)
	set("CI_COMMIT_REF_NAME", ref)
	set("CI_COMMIT_REF_SLUG", slug(ref))
	opt("CI_COMMIT_BRANCH", c.Branch)
	opt("CI_COMMIT_TAG", c.Tag)
	title, description, _ := strings.Cut(c.Message, "\n")
	opt("CI_COMMIT_MESSAGE", c.Message)
	opt("CI_COMMIT_TITLE", title)
	opt("CI_COMMIT_DESCRIPTION", strings.TrimLeft(description, "\n"))
	opt("CI_COMMIT_AUTHOR", c.Author)
	if !c.Time.IsZero() {
		set("CI_COMMIT_TIMESTAMP", c.Time.Format(time.RFC3339))
	}
	opt("CI_DEFAULT_BRANCH", c.DefaultBranch)
	opt("CI_PIPELINE_ID", c.RunID)
	if c.RunNumber > 0 {
		set("CI_PIPELINE_IID", strconv.FormatInt(c.RunNumber, 10))
	}
	set("CI_PIPELINE_SOURCE", c.source())
	set("CI_CONFIG_PATH", file)
	path := c.Namespace + "/" + c.ProjectName
	set("CI_PROJECT_NAME", c.ProjectName)
	set("CI_PROJECT_TITLE", c.ProjectName)
	set("CI_PROJECT_NAMESPACE", c.Namespace)
	set("CI_PROJECT_ROOT_NAMESPACE", c.Namespace)
	set("CI_PROJECT_PATH", path)
	set("CI_PROJECT_PATH_SLUG", slug(path))
	if c.ServerURL != "" {
		set("CI_PROJECT_URL", c.ServerURL+"/git/"+path)
	}
	set("CI_REGISTRY", v1alpha1.RegistryHost)
	set("CI_REGISTRY_IMAGE", v1alpha1.RegistryHost+"/"+path)
	opt("GITLAB_USER_LOGIN", c.By)
	opt("GITLAB_USER_NAME", c.By)
	return vars
}

func (c *Context) source() string {
	if c.Source == "" {
		return "push"
	}
	return c.Source
}

func (c *Context) skipped() bool {
	if c.source() != "push" {
		return false
	}
	m := strings.ToLower(c.Message)
	return strings.Contains(m, "[skip ci]") || strings.Contains(m, "[ci skip]")
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

// Predefined variables of a run of the named file, for plans that no file describes.
func Predefined(file string, in Context) []plan.Variable { return in.predefined(file) }
