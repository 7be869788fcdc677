package run

import (
	"encoding/json"
	"net/url"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// attemptVariables are those that no plan can know, and every attempt gets.
func (c *Controller) attemptVariables(run *v1alpha1.Run, job *plan.Job, number int, dir string) []plan.Variable {
	page := c.address() + "/runs/" + url.PathEscape(run.Namespace) + "/" + url.PathEscape(run.Name)
	tags, _ := json.Marshal(append([]string{}, job.Nodes...)) // strings always can be
	vars := []plan.Variable{
		{Name: "CI_JOB_ID", Value: attemptName(run.Name, job.ID, number)},
		{Name: "CI_JOB_URL", Value: page + "?job=" + url.QueryEscape(job.Name)},
		{Name: "CI_JOB_STARTED_AT", Value: time.Now().UTC().Format(time.RFC3339)},
		{Name: "CI_JOB_TIMEOUT", Value: strconv.FormatInt(int64(c.timeout(job)/time.Second), 10)},
		{Name: "CI_PIPELINE_URL", Value: page},
		{Name: "CI_BUILDS_DIR", Value: buildsDir},
		{Name: "CI_PROJECT_DIR", Value: path.Join(buildsDir, dir)},
		{Name: "CI_CONCURRENT_ID", Value: "0"},
		{Name: "CI_CONCURRENT_PROJECT_ID", Value: "0"},
		{Name: "CI_RUNNER_ID", Value: "1"},
		{Name: "CI_RUNNER_DESCRIPTION", Value: "slipway"},
		{Name: "CI_RUNNER_TAGS", Value: string(tags)},
		{Name: "CI_RUNNER_EXECUTABLE_ARCH", Value: runtime.GOOS + "/" + runtime.GOARCH},
		{Name: "SLIPWAY_ATTEMPT", Value: strconv.Itoa(number)},
	}
	for i := range vars {
		vars[i].Raw = true
	}
	if len(c.Settings.CA) > 0 {
		vars = append(vars, plan.Variable{Name: "CI_SERVER_TLS_CA_FILE", Value: string(c.Settings.CA), Raw: true, File: true})
	}
	if job.When == plan.Manual {
		vars = append(vars, plan.Variable{Name: "CI_JOB_MANUAL", Value: "true", Raw: true})
	}
	return vars
}

// address of the front door as people know it.
func (c *Controller) address() string {
	if c.Settings.ExternalURL != "" {
		return strings.TrimSuffix(c.Settings.ExternalURL, "/")
	}
	return strings.TrimSuffix(c.Settings.ServerURL, "/")
}

// jobServer is the front door as jobs reach it.
func (c *Controller) jobServer() string { return strings.TrimSuffix(c.Settings.ServerURL, "/") }

// repositoryURL is where jobs read the repository.
func (c *Controller) repositoryURL(run *v1alpha1.Run) string {
	return c.jobServer() + "/git/" + run.Namespace + "/" + run.Spec.Repository + ".git"
}

// withToken puts the credentials of an attempt into an address of this server.
func withToken(address, token string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	return scheme + "://" + RegistryUser + ":" + token + "@" + rest
}
