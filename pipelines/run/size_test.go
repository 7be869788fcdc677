package run

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// wide is a plan of two stages, each job of the second behind all of the first.
func wide(n int) []plan.Job {
	var jobs []plan.Job
	var first []string
	for i := range n {
		first = append(first, fmt.Sprintf("first-%03d", i))
		jobs = append(jobs, plan.Job{Name: first[i], Stage: "a", When: plan.Manual})
	}
	for i := range n {
		jobs = append(jobs, plan.Job{Name: fmt.Sprintf("second-%03d", i), Stage: "b", Needs: needs(first...)})
	}
	return jobs
}

func TestAThousandJobsInTwoStagesAreKept(t *testing.T) {
	w := newWorld(t, wide(500)...)
	w.push()
	run := w.settle("shop-1")
	require.Len(t, run.Status.Jobs, 1000)
	data, err := json.Marshal(&run.Status)
	require.NoError(t, err)
	require.Less(t, len(data), maxStatus)
}

func TestFitLeavesOutWhatMattersLeast(t *testing.T) {
	run := &v1alpha1.Run{}
	for i := range 1000 {
		js := v1alpha1.JobStatus{Name: fmt.Sprintf("job-%d", i), Phase: v1alpha1.Failed, Message: strings.Repeat("m", 1000)}
		for n := range keepAttempts {
			js.Attempts = append(js.Attempts, v1alpha1.Attempt{Number: n + 1, Phase: v1alpha1.Failed, Message: strings.Repeat("a", 1000)})
		}
		run.Status.Jobs = append(run.Status.Jobs, js)
	}
	fit(run)
	data, err := json.Marshal(&run.Status)
	require.NoError(t, err)
	require.LessOrEqual(t, len(data), maxStatus)
	require.Len(t, run.Status.Jobs[0].Attempts, 1)
	require.Equal(t, keepAttempts, run.Status.Jobs[0].Attempts[0].Number)
	again := run.DeepCopy()
	fit(again)
	require.Equal(t, run, again, "what fits stays as it is")
}

func TestActionsAreBounded(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", When: plan.Manual})
	w.push()
	w.settle("shop-1")
	large := v1alpha1.RunAction{Verb: verbPlay, Job: "a", Variables: map[string]string{"A": strings.Repeat("x", maxVariableBytes-1)}}
	run, err := w.run(t.Context(), "default", "shop-1")
	require.NoError(t, err)
	require.NoError(t, ask(run, large))
	require.True(t, apierrors.IsBadRequest(ask(run, large)) || apierrors.IsBadRequest(ask(run, large)))
}

func TestAJobBehindThatRunsKeepsWhatItTakes(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "b", Needs: needs("a")})
	w.push()
	w.settle("shop-1")
	w.end(attemptName("shop-1", "a", 1), true, 0, "")
	w.settle("shop-1")
	err := w.Act(t.Context(), "default", "shop-1", v1alpha1.RunAction{Verb: verbRetry, Job: "a", By: "ann"})
	require.ErrorContains(t, err, "a job behind it runs")
}
