package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/archive"
	"slipway.dev/pipelines/jobapi"
)

// maxReport bounds what is read of a stored report.
const maxReport = 64 << 20

// Comparison of the tests and the coverage of a run with the run before it on its ref.
type Comparison struct {
	Run      string `json:"run"`
	Coverage string `json:"coverage,omitempty"`
	// Tests of all jobs together.
	Tests *v1alpha1.TestCounts `json:"tests,omitempty"`
	// Previous run on the same ref; absent where this is the first.
	Previous         string               `json:"previous,omitempty"`
	PreviousCoverage string               `json:"previousCoverage,omitempty"`
	PreviousTests    *v1alpha1.TestCounts `json:"previousTests,omitempty"`
	// Broken failed now and not before, Failing failed before too, Fixed do not fail any more.
	Broken  []JobTest `json:"broken,omitempty"`
	Failing []JobTest `json:"failing,omitempty"`
	Fixed   []JobTest `json:"fixed,omitempty"`
}

// JobTest is a test case with the job it ran in.
type JobTest struct {
	Job string `json:"job"`
	jobapi.TestCase
}

// Tests of one job.
func (c *Controller) Tests(ctx context.Context, namespace, name, job string) (*jobapi.TestReport, error) {
	_, j, err := c.job(ctx, namespace, name, job)
	if err != nil {
		return nil, err
	}
	return c.tests(ctx, namespace, name, j.ID)
}

func (c *Controller) tests(ctx context.Context, namespace, run, id string) (*jobapi.TestReport, error) {
	return report[jobapi.TestReport](ctx, c, namespace, run, jobapi.TestsName(id))
}

// report reads a stored report of a run's.
func report[T any](ctx context.Context, c *Controller, namespace, run, name string) (*T, error) {
	rc, err := c.Artifacts.Get(ctx, namespace, run, name)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	r := new(T)
	if err := json.NewDecoder(io.LimitReader(rc, maxReport)).Decode(r); err != nil {
		return nil, fmt.Errorf("%s of run %s: %w", name, run, err)
	}
	return r, nil
}

// Compare a run with the one before it on the same ref.
func (c *Controller) Compare(ctx context.Context, namespace, name string) (*Comparison, error) {
	run, err := c.run(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	out := &Comparison{Run: name, Coverage: run.Status.Coverage, Tests: run.Status.Tests}
	now, err := c.bad(ctx, run)
	if err != nil {
		return nil, err
	}
	before, err := c.previous(ctx, run)
	if err != nil {
		return nil, err
	}
	was := map[string]JobTest{}
	if before != nil {
		out.Previous, out.PreviousCoverage, out.PreviousTests = before.Name, before.Status.Coverage, before.Status.Tests
		list, err := c.bad(ctx, before)
		if err != nil {
			return nil, err
		}
		for _, t := range list {
			was[t.key()] = t
		}
	}
	for _, t := range now {
		if _, ok := was[t.key()]; ok {
			out.Failing = append(out.Failing, t)
			delete(was, t.key())
			continue
		}
		out.Broken = append(out.Broken, t)
	}
	for _, t := range was {
		// A job that did not run now has fixed nothing.
		if js := jobStatus(run, t.Job); js != nil && js.Tests != nil {
			t.Message, t.Output = "", ""
			out.Fixed = append(out.Fixed, t)
		}
	}
	return out, nil
}

func (t *JobTest) key() string { return t.Job + "\x00" + t.Key() }

// bad are the tests of the run that did not pass.
func (c *Controller) bad(ctx context.Context, run *v1alpha1.Run) ([]JobTest, error) {
	p, err := c.loadPlan(ctx, run.Namespace, run.Name)
	if err != nil || p == nil {
		return nil, err
	}
	var out []JobTest
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		j := p.Job(js.Name)
		if js.Tests == nil || j == nil {
			continue
		}
		r, err := c.tests(ctx, run.Namespace, run.Name, j.ID)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, t := range r.Cases {
			if t.Status == "failed" || t.Status == "error" {
				out = append(out, JobTest{Job: js.Name, TestCase: t})
			}
		}
	}
	return out, nil
}

// previous run of the same repository and ref that has something to compare with, or
// nil. Runs that other runs started, and those of merge requests, are of another kind
// than those of the ref.
func (c *Controller) previous(ctx context.Context, run *v1alpha1.Run) (*v1alpha1.Run, error) {
	all, err := c.before(ctx, run)
	for i := range all {
		if all[i].Status.Tests != nil || all[i].Status.Coverage != "" {
			return &all[i], nil
		}
	}
	return nil, err
}

// before are the finished runs that came before one on its ref, the latest first.
func (c *Controller) before(ctx context.Context, run *v1alpha1.Run) ([]v1alpha1.Run, error) {
	list := &v1alpha1.RunList{}
	err := c.List(ctx, list, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRepository: run.Spec.Repository})
	if err != nil {
		return nil, err
	}
	old, err := c.Archive.List(run.Namespace, run.Spec.Repository, archive.PositionOf(run), previousWithin)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(append(list.Items, old...), func(r v1alpha1.Run) bool {
		return r.Spec.Ref != run.Spec.Ref || r.Spec.Target != run.Spec.Target || (r.Spec.Parent == nil) != (run.Spec.Parent == nil) ||
			!r.Status.Phase.Finished() || !later(run, &r)
	})
	slices.SortStableFunc(all, func(a, b v1alpha1.Run) int {
		switch {
		case later(&a, &b):
			return -1
		case later(&b, &a):
			return 1
		}
		return 0
	})
	return all, nil
}

// previousWithin is how many runs of the archive are looked at for one to compare with.
const previousWithin = 200
