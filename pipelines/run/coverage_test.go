package run

import (
	"errors"
	"os"
	"strings"
	"testing"

	"slipway.dev/pipelines/coverage"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// TestCoverageIsComparedByFile with the run before on the ref, all jobs together.
func TestCoverageIsComparedByFile(t *testing.T) {
	covered := func(access string) *plan.Artifacts {
		return &plan.Artifacts{Access: access, Reports: plan.Reports{Coverage: "c.xml"}}
	}
	w := newWorld(t, plan.Job{Name: "a", Artifacts: covered("")}, plan.Job{Name: "b", Artifacts: covered("all")}, plan.Job{Name: "own", Artifacts: covered("developer")}, plan.Job{Name: "none"})
	reports := map[string]map[string]string{
		"shop-1":    {"a": `{"lines":3,"covered":2,"files":[{"path":"x","lines":3,"covered":2,"hit":"1-2","missed":"3"}]}`},
		"shop-1-r1": {"a": `{"files":[{"path":"x","hit":"1","missed":"2-3"}]}`, "b": `{"files":[{"path":"x","hit":"2"},{"path":"y","missed":"9"}]}`, "own": `{"files":[{"path":"secret","hit":"1"}]}`},
	}
	w.push()
	for _, run := range []string{"shop-1", "shop-1-r1"} {
		if run != "shop-1" {
			if _, err := w.Start(t.Context(), "default", StartRequest{Repository: "shop"}); err != nil {
				t.Fatal(err)
			}
		}
		w.settle(run)
		for _, job := range []string{"a", "b", "own", "none"} {
			if text := reports[run][job]; text != "" {
				if err := w.Artifacts.Put(t.Context(), "default", run, jobapi.CoverageName(job), strings.NewReader(text), 1<<20); err != nil {
					t.Fatal(err)
				}
			}
			w.end(run+"-"+job+"-1", true, 0, "Succeeded")
		}
		w.settle(run)
	}
	first, err := w.CompareCoverage(t.Context(), "default", "shop-1")
	if err != nil || first.Previous != "" || first.Percent != "66.67" || len(first.Jobs) != 1 {
		t.Errorf("%+v %v", first, err)
	}
	got, err := w.CompareCoverage(t.Context(), "default", "shop-1-r1")
	if err != nil {
		t.Fatal(err)
	}
	if got.Lines != 4 || got.Covered != 2 || got.Previous != "shop-1" || got.PreviousPercent != "66.67" || strings.Join(got.Jobs, " ") != "a b" {
		t.Errorf("%+v", got)
	}
	if len(got.Files) != 1 || got.Files[0] != (coverage.Change{Path: "y", Lines: 1}) {
		t.Errorf("%+v", got.Files)
	}
	if _, err := w.JobCoverage(t.Context(), "default", "shop-1", "b"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no report: %v", err)
	}
}
