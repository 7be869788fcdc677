package run

import (
	"strings"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// TestLocate: an address has what the job and those before it reported, and no secret.
func TestLocate(t *testing.T) {
	artifacts := jobapi.Dir(t.TempDir())
	c := &Controller{Artifacts: artifacts}
	run := &v1alpha1.Run{}
	run.Namespace, run.Name = "default", "shop-1"
	for job, vars := range map[string]string{"build": `[{"name":"HOST","value":"old"},{"name":"PATH_OF","value":"x"}]`, "deploy": `[{"name":"HOST","value":"$SECRET.new.example"}]`} {
		if err := artifacts.Put(t.Context(), "default", "shop-1", jobapi.DotenvName(job), strings.NewReader(vars), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	dotenv := &plan.Artifacts{Reports: plan.Reports{Dotenv: []string{"env"}}}
	p := &plan.Plan{Jobs: []plan.Job{
		{Name: "build", ID: "build", Artifacts: dotenv},
		{Name: "deploy", ID: "deploy", Artifacts: dotenv, Needs: []plan.Need{{Job: "build", Artifacts: true}}, Environment: &plan.Environment{Name: "a", URL: "https://a$HOST/$PATH_OF"}},
	}}
	for _, c2 := range []struct {
		phase v1alpha1.Phase
		want  string
	}{{v1alpha1.Running, ""}, {v1alpha1.Failed, ""}, {v1alpha1.Succeeded, "https://a.new.example/x"}} {
		js := &v1alpha1.JobStatus{Name: "deploy", Phase: c2.phase}
		if err := c.locate(t.Context(), run, p, &p.Jobs[1], js); err != nil || js.EnvironmentURL != c2.want {
			t.Errorf("%s: %q, want %q: %v", c2.phase, js.EnvironmentURL, c2.want, err)
		}
	}
	for address, want := range map[string]string{"https://a/b": "https://a/b", "javascript:alert(1)": "", "//a": "", "https://user:pw@a": "", "ftp://a": "", "": ""} {
		if got := link(address); got != want {
			t.Errorf("%q is %q", address, got)
		}
	}
}
