package run

import (
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// env of the attempt of job m as its runner gets it.
func (w *world) env(attempt int) map[string]string {
	w.t.Helper()
	job, err := w.Job(w.t.Context(), jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "m", Attempt: attempt})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for _, v := range job.Wire.Env {
		out[v.Name] = v.Value
	}
	return out
}

func (w *world) playWith(vars map[string]string) {
	w.t.Helper()
	if err := w.Act(w.t.Context(), "default", "shop-1", v1alpha1.RunAction{Verb: verbPlay, Job: "m", By: "ann", Variables: vars}); err != nil {
		w.t.Fatal(err)
	}
}

func TestVariablesOfAPlayReachTheAttempt(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "m", When: plan.Manual, Variables: []plan.Variable{{Name: "COLOR", Value: "red"}, {Name: "SAYS", Value: "is $COLOR"}}})
	w.compiler.Plan.Given = []plan.Variable{{Name: "SIZE", Value: "small", Raw: true}}
	w.push()
	w.settle("shop-1")

	// What a play that was taken back gave is gone.
	w.playWith(map[string]string{"GONE": "1"})
	w.act("unplay m")
	w.playWith(map[string]string{"COLOR": "blue", "SIZE": "large", "PRICE": "$COLOR"})
	w.settle("shop-1")
	for _, attempt := range []int{1, 2} {
		got := w.env(attempt)
		for name, want := range map[string]string{"COLOR": "blue", "SAYS": "is blue", "SIZE": "large", "PRICE": "$COLOR"} {
			if got[name] != want {
				t.Errorf("attempt %d: %s is %q, want %q", attempt, name, got[name], want)
			}
		}
		if _, ok := got["GONE"]; ok {
			t.Errorf("attempt %d has a variable of the play that was taken back", attempt)
		}
		if attempt == 1 { // a retry has them again
			w.end("shop-1-m-1", false, 1, "Failed")
			w.settle("shop-1")
			w.act("retry m")
		}
	}

	// Done again from here on, it waits for a person and has what is given then.
	w.end("shop-1-m-2", true, 0, "Succeeded")
	w.settle("shop-1")
	p, err := w.loadPlan(t.Context(), "default", "shop-1")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Given) != 1 || p.Given[0].Value != "small" {
		t.Errorf("the shared plan was changed: %+v", p.Given)
	}
}

func TestRenewedJobForgetsItsPlay(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "m", When: plan.Manual, Needs: needs("a")})
	w.push()
	w.settle("shop-1")
	w.end("shop-1-a-1", true, 0, "Succeeded")
	w.settle("shop-1")
	w.playWith(map[string]string{"COLOR": "blue"})
	w.settle("shop-1")
	w.end("shop-1-m-1", true, 0, "Succeeded")
	w.settle("shop-1")
	w.act("from a")
	w.end("shop-1-a-2", true, 0, "Succeeded")
	w.settle("shop-1")
	w.act("play m")
	if got, ok := w.env(2)["COLOR"]; ok {
		t.Errorf("COLOR is %q, though this play gave nothing", got)
	}
}

// TestVariablesOfAPlayBesideIDTokens: tokens are added to them, and the address of the
// environment has them too.
func TestVariablesOfAPlayBesideIDTokens(t *testing.T) {
	w := newWorld(t, plan.Job{
		Name: "m", When: plan.Manual, Environment: &plan.Environment{Name: "a", URL: "https://$COLOR.example"},
		Variables: []plan.Variable{{Name: "COLOR", Value: "red"}, {Name: "SAYS", Value: "$TOKEN is $COLOR"}},
		IDTokens:  []plan.IDToken{{Variable: "TOKEN", Audiences: []string{"https://$COLOR"}}},
	})
	s := &signer{}
	w.Signer = s
	w.push()
	w.settle("shop-1")
	w.playWith(map[string]string{"COLOR": "blue"})
	w.settle("shop-1")
	if got := w.env(1); got["COLOR"] != "blue" || got["SAYS"] != "token-1 is blue" || got["TOKEN"] != "token-1" {
		t.Errorf("environment %v", got)
	}
	if len(s.list) != 1 || s.list[0].audiences[0] != "https://blue" {
		t.Errorf("signed %+v", s.list)
	}
	w.end("shop-1-m-1", true, 0, "Succeeded")
	if run := w.settle("shop-1"); run.Status.Jobs[0].EnvironmentURL != "https://blue.example" {
		t.Errorf("address %q", run.Status.Jobs[0].EnvironmentURL)
	}
}
