package run

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"slipway.dev/pipelines/idtoken"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

type signed struct {
	claims    idtoken.Claims
	audiences []string
	good      time.Duration
}

type signer struct{ list []signed }

func (s *signer) Sign(c idtoken.Claims, audiences []string, good time.Duration) (string, error) {
	s.list = append(s.list, signed{c, audiences, good})
	return fmt.Sprintf("token-%d", len(s.list)), nil
}

// TestIDTokens say what is true of the run, whatever the job's variables pretend.
func TestIDTokens(t *testing.T) {
	w := newWorld(t, plan.Job{
		Name: "a", Environment: &plan.Environment{Name: "review/$CI_COMMIT_REF_NAME", Action: "start", Tier: "development"},
		Variables: []plan.Variable{{Name: "CI_PIPELINE_SOURCE", Value: "forged"}, {Name: "CI_PROJECT_PATH", Value: "other/repo"}, {Name: "WHERE", Value: "vault"}, {Name: "COPY", Value: "$FIRST"}},
		IDTokens:  []plan.IDToken{{Variable: "FIRST", Audiences: []string{"https://$WHERE.example"}}, {Variable: "SECOND", Audiences: []string{"x", "y"}}},
	})
	w.compiler.Plan.Predefined = []plan.Variable{{Name: "CI_PIPELINE_SOURCE", Value: "push"}, {Name: "CI_COMMIT_REF_NAME", Value: "main"}}
	s := &signer{}
	w.Signer = s
	w.push()
	w.settle("shop-1")
	job, err := w.Job(t.Context(), jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "a", Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	value := map[string]string{}
	for _, v := range job.Wire.Env {
		value[v.Name] = v.Value
	}
	if value["FIRST"] != "token-1" || value["SECOND"] != "token-2" || value["COPY"] != "token-1" {
		t.Errorf("environment %v", value)
	}
	for _, token := range []string{"token-1", "token-2"} {
		if !slices.ContainsFunc(job.Wire.Mask, func(m []byte) bool { return bytes.Equal(m, []byte(token)) }) {
			t.Errorf("%s is not masked", token)
		}
	}
	if len(s.list) != 2 || !slices.Equal(s.list[0].audiences, []string{"https://vault.example"}) || !slices.Equal(s.list[1].audiences, []string{"x", "y"}) {
		t.Fatalf("signed %+v", s.list)
	}
	got := s.list[0].claims
	if got.PipelineSource != "push" || got.ProjectPath != "default/shop" || got.ProjectID != "u" || got.Ref != "main" || got.RefType != "branch" ||
		got.RefProtected != "true" || got.UserLogin != "ann" || got.JobID != "shop-1-a-1" || got.Environment != "review/main" || got.DeploymentTier != "development" {
		t.Errorf("claims %+v", got)
	}
	if limit := s.list[0].good; limit != defaultTimeout+startMargin {
		t.Errorf("good for %s", limit)
	}
}
