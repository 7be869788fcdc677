package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// planName is the plan's name among the artifacts of a run.
const planName = "plan.json"

// maxPlan bounds a stored plan.
const maxPlan = 32 << 20

// cachedPlans is how many plans are kept decoded. A stored plan never changes.
const cachedPlans = 64

// plans that were used last. The zero value is ready.
type plans struct {
	mu    sync.Mutex
	byRun map[types.NamespacedName]*plan.Plan
}

func (c *plans) get(key types.NamespacedName) *plan.Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byRun[key]
}

func (c *plans) put(key types.NamespacedName, p *plan.Plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byRun == nil {
		c.byRun = map[types.NamespacedName]*plan.Plan{}
	}
	for other := range c.byRun {
		if len(c.byRun) < cachedPlans {
			break
		}
		delete(c.byRun, other)
	}
	c.byRun[key] = p
}

func (c *plans) drop(key types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byRun, key)
}

// Plan of a run; nil: there is none. It is shared and must not be changed.
func (c *Controller) Plan(ctx context.Context, namespace, run string) (*plan.Plan, error) {
	return c.loadPlan(ctx, namespace, run)
}

// loadPlan reads the plan of a run; nil: there is none. It is shared and must not be changed.
func (c *Controller) loadPlan(ctx context.Context, namespace, run string) (*plan.Plan, error) {
	key := types.NamespacedName{Namespace: namespace, Name: run}
	if p := c.plans.get(key); p != nil {
		return p, nil
	}
	rc, err := c.Artifacts.Get(ctx, namespace, run, planName)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run %s: read plan: %w", run, err)
	}
	defer rc.Close()
	data, err := io.ReadAll(io.LimitReader(rc, maxPlan))
	if err != nil {
		return nil, fmt.Errorf("run %s: read plan: %w", run, err)
	}
	p, err := plan.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", run, err)
	}
	c.plans.put(key, p)
	return p, nil
}

func (c *Controller) storePlan(ctx context.Context, run *v1alpha1.Run, p *plan.Plan) error {
	data, err := p.Encode()
	if err != nil {
		return err
	}
	if err := c.Artifacts.Put(ctx, run.Namespace, run.Name, planName, bytes.NewReader(data), maxPlan); err != nil {
		return fmt.Errorf("run %s: keep plan: %w", run.Name, err)
	}
	return nil
}

// compilePatience is how long reading a commit is tried before the run fails.
const compilePatience = time.Minute

var errNoRepository = errors.New("the repository does not exist")

// plan loads the run's plan, or compiles and stores it. Nil means that there is none:
// the status then says why.
func (c *Controller) plan(ctx context.Context, run *v1alpha1.Run) (*plan.Plan, error) {
	if run.Status.Phase.Finished() && len(run.Status.Jobs) == 0 {
		return nil, nil
	}
	p, err := c.loadPlan(ctx, run.Namespace, run.Name)
	if err != nil {
		return nil, err
	}
	if p != nil {
		fill(run, p)
		return p, nil
	}
	if run.Spec.Cancel {
		finish(run, v1alpha1.Canceled, "")
		return nil, nil
	}
	repo := &v1alpha1.Repository{}
	err = c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}, repo)
	if apierrors.IsNotFound(err) {
		finish(run, v1alpha1.Failed, fmt.Sprintf("repository %s: %v", run.Spec.Repository, errNoRepository))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	of, why, err := c.origin(ctx, run)
	if err != nil {
		return nil, err
	}
	if why != "" {
		finish(run, v1alpha1.Failed, why)
		return nil, nil
	}
	if !c.admit(run, repo, of) {
		return nil, nil
	}
	compiled, err := c.Compiler.Compile(ctx, run, repo, of)
	if err != nil && time.Since(run.CreationTimestamp.Time) > compilePatience {
		finish(run, v1alpha1.Failed, "the pipeline cannot be read: "+oneLine(err.Error()))
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run %s: compile: %w", run.Name, err)
	}
	switch {
	case len(compiled.Problems) > 0:
		run.Status.Problems = compiled.Problems
		finish(run, v1alpha1.Failed, problemLine(compiled.Problems))
		return nil, nil
	case compiled.Plan == nil:
		finish(run, empty(run), "this commit has no pipeline file, Dockerfile or manifests")
		return nil, nil
	case len(compiled.Plan.Jobs) == 0:
		run.Status.Pipeline = compiled.Plan.Source
		finish(run, empty(run), compiled.Plan.Empty)
		return nil, nil
	}
	if err := c.storePlan(ctx, run, compiled.Plan); errors.Is(err, jobapi.ErrTooLarge) {
		finish(run, v1alpha1.Failed, fmt.Sprintf("the pipeline has more than %d MiB once it is compiled; split it with include and trigger", maxPlan>>20))
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if p, err = c.loadPlan(ctx, run.Namespace, run.Name); err != nil {
		return nil, err
	}
	fill(run, p)
	return p, nil
}

// empty is how a run without jobs ends: as it should, unless a job started it for more.
func empty(run *v1alpha1.Run) v1alpha1.Phase {
	if run.Spec.Parent != nil {
		return v1alpha1.Failed
	}
	return v1alpha1.Succeeded
}
