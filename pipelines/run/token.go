package run

import (
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// RegistryUser is whom docker login is called for in a job, as in GitLab.
const RegistryUser = "gitlab-ci-token"

// jobToken is one of the attempt's own, for its script. It ends with the job.
func (c *Controller) jobToken(ref jobapi.Ref, job *plan.Job) string {
	return c.Tokens.Issue(ref, time.Now().Add(c.timeout(job)+startMargin+tokenMargin))
}

// tokenVariables are the names under which scripts look for it.
func (c *Controller) tokenVariables(run *v1alpha1.Run, token string) []plan.Variable {
	return []plan.Variable{
		{Name: "CI_REPOSITORY_URL", Value: withToken(c.repositoryURL(run), token), Raw: true},
		{Name: "CI_JOB_TOKEN", Value: token, Raw: true},
		{Name: "CI_REGISTRY_USER", Value: RegistryUser, Raw: true},
		{Name: "CI_REGISTRY_PASSWORD", Value: token, Raw: true},
	}
}
