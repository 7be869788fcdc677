package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/idtoken"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/protection"
)

// Signer makes tokens that others can check; *idtoken.Issuer is one.
type Signer interface {
	Sign(c idtoken.Claims, audiences []string, good time.Duration) (string, error)
}

// idTokens are signed for this attempt. What they say comes from the run and from what
// the server defined of it, never from variables that a file or a person can set.
func (c *Controller) idTokens(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository, p *plan.Plan, job *plan.Job, ref jobapi.Ref, value func(string) string) ([]plan.Variable, error) {
	if len(job.IDTokens) == 0 || untrusted(run) {
		return nil, nil
	}
	protected, err := protection.Of(ctx, repo, run, c.Reachable)
	if err != nil {
		return nil, err
	}
	path := run.Namespace + "/" + run.Spec.Repository
	claims := idtoken.Claims{
		NamespaceID: run.Namespace, NamespacePath: run.Namespace, ProjectID: string(repo.UID), ProjectPath: path, ProjectVisibility: "private",
		UserLogin: run.Spec.By, PipelineID: run.Name, PipelineSource: predefined(p, "CI_PIPELINE_SOURCE"),
		JobID: attemptName(run.Name, job.ID, ref.Attempt), SHA: run.Spec.Commit, RunnerEnvironment: "self-hosted",
		Ref: shortRef(run.Spec.Ref), RefPath: run.Spec.Ref, RefType: "branch", RefProtected: fmt.Sprint(protected),
		ConfigRefURI: strings.TrimPrefix(strings.TrimPrefix(c.Settings.ExternalURL, "https://"), "http://") + "/" + path + "//" + p.Source + "@" + run.Spec.Ref,
		ConfigSHA:    run.Spec.Commit,
	}
	if strings.HasPrefix(run.Spec.Ref, "refs/tags/") {
		claims.RefType = "tag"
	}
	if e := job.Environment; e != nil {
		claims.Environment, claims.EnvironmentProtected = p.EnvironmentName(job), "false"
		claims.DeploymentTier, claims.EnvironmentAction = e.Tier, e.Action
	}
	var out []plan.Variable
	for _, t := range job.IDTokens {
		var audiences []string
		for _, a := range t.Audiences {
			audiences = append(audiences, value(a))
		}
		signed, err := c.Signer.Sign(claims, audiences, c.timeout(job)+startMargin)
		if err != nil {
			return nil, err
		}
		out = append(out, plan.Variable{Name: t.Variable, Value: signed, Raw: true})
	}
	return out, nil
}

// predefined is what the server defined of the run.
func predefined(p *plan.Plan, name string) string {
	if i := slices.IndexFunc(p.Predefined, func(v plan.Variable) bool { return v.Name == name }); i >= 0 {
		return p.Predefined[i].Value
	}
	return ""
}
