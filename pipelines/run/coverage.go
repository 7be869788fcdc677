package run

import (
	"context"
	"errors"
	"os"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/coverage"
	"slipway.dev/pipelines/jobapi"
)

// CoverageComparison of the coverage reports of a run with those of the run before it on
// its ref.
type CoverageComparison struct {
	Run     string `json:"run"`
	Lines   int    `json:"lines"`
	Covered int    `json:"covered"`
	Percent string `json:"percent,omitempty"`
	// Jobs that have a report.
	Jobs []string `json:"jobs"`
	// Previous run on the same ref with a report; absent where there is none.
	Previous        string `json:"previous,omitempty"`
	PreviousLines   int    `json:"previousLines,omitempty"`
	PreviousCovered int    `json:"previousCovered,omitempty"`
	PreviousPercent string `json:"previousPercent,omitempty"`
	// Files whose figures differ, what got worse first.
	Files []coverage.Change `json:"files"`
	// Cut: there were more files or lines than are kept.
	Cut bool `json:"cut,omitempty"`
}

// JobCoverage is the coverage report of one job, by file and line.
func (c *Controller) JobCoverage(ctx context.Context, namespace, name, job string) (*coverage.Report, error) {
	_, j, err := c.job(ctx, namespace, name, job)
	if err != nil {
		return nil, err
	}
	return c.coverage(ctx, namespace, name, j.ID)
}

func (c *Controller) coverage(ctx context.Context, namespace, run, id string) (*coverage.Report, error) {
	return report[coverage.Report](ctx, c, namespace, run, jobapi.CoverageName(id))
}

// coverageOf all jobs of a run together, but for those that keep theirs for some people;
// nil where none has a report.
func (c *Controller) coverageOf(ctx context.Context, run *v1alpha1.Run) (*coverage.Report, []string, error) {
	p, err := c.loadPlan(ctx, run.Namespace, run.Name)
	if err != nil || p == nil {
		return nil, nil, err
	}
	var all []*coverage.Report
	var jobs []string
	for i := range p.Jobs {
		j := &p.Jobs[i]
		if j.Artifacts == nil || j.Artifacts.Reports.Coverage == "" || j.Artifacts.Access != "" && j.Artifacts.Access != "all" {
			continue
		}
		r, err := c.coverage(ctx, run.Namespace, run.Name, j.ID)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		all, jobs = append(all, r), append(jobs, j.Name)
	}
	if len(all) == 0 {
		return nil, nil, nil
	}
	return coverage.Merge(all...), jobs, nil
}

// coverageWithin is how many runs are looked at for one to compare with.
const coverageWithin = 20

// CompareCoverage of a run with the one before it on the same ref.
func (c *Controller) CompareCoverage(ctx context.Context, namespace, name string) (*CoverageComparison, error) {
	run, err := c.run(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	after, jobs, err := c.coverageOf(ctx, run)
	if err != nil {
		return nil, err
	}
	if after == nil {
		return nil, os.ErrNotExist
	}
	out := &CoverageComparison{Run: name, Lines: after.Lines, Covered: after.Covered, Percent: coverage.Percent(after.Covered, after.Lines),
		Jobs: jobs, Cut: after.Cut, Files: []coverage.Change{}}
	all, err := c.before(ctx, run)
	if err != nil {
		return nil, err
	}
	var before *coverage.Report
	var previous *v1alpha1.Run
	for i := range all[:min(len(all), coverageWithin)] {
		previous = &all[i]
		if before, _, err = c.coverageOf(ctx, previous); err != nil || before != nil {
			break
		}
	}
	if err != nil || before == nil {
		return out, err
	}
	out.Previous, out.PreviousLines, out.PreviousCovered = previous.Name, before.Lines, before.Covered
	out.PreviousPercent = coverage.Percent(before.Covered, before.Lines)
	out.Files = coverage.Compare(before, after)
	return out, nil
}
