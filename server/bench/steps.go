package bench

import (
	"context"
	"fmt"
	"strings"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// What trivial jobs are measured in: the same steps as jobs of a run here, and as
// tasks of a PipelineRun with upstream's settings and upstream's own entrypoint.
const (
	oneJob     = "one trivial job, started to finished"
	tenJobs    = "ten trivial jobs one after the other"
	nextJob    = "a trivial job, from its predecessor's end to its own"
	fiftyJobs  = "fifty trivial jobs at once"
	threeSteps = "three-step TaskRun, created to succeeded"
	oneStep    = "one-step TaskRun, created to succeeded"
	upstream   = ", upstream's defaults"
)

// shape is a pipeline of trivial jobs.
type shape struct {
	name    string
	jobs    int
	chained bool
	// rounds on each start of a server; one before them warms the caches.
	rounds int
}

var shapes = []shape{{oneJob, 1, false, 3}, {tenJobs, 10, true, 1}, {fiftyJobs, 50, false, 1}}

// file is the shape as a .gitlab-ci.yml.
func (s shape) file() string {
	var b strings.Builder
	b.WriteString("default: {image: busybox}\nvariables: {GIT_STRATEGY: none}\n")
	for i := range s.jobs {
		needs := ""
		if s.chained && i > 0 {
			needs = fmt.Sprintf(", needs: [{job: j%d, artifacts: false}]", i-1)
		}
		fmt.Fprintf(&b, "j%d: {script: [echo %d]%s}\n", i, i, needs)
	}
	return b.String()
}

// pipelineRun is the shape as Tekton has it.
func (s shape) pipelineRun() map[string]any {
	var tasks []any
	for i := range s.jobs {
		task := map[string]any{"name": fmt.Sprintf("j%d", i), "taskSpec": map[string]any{"steps": steps(1)}}
		if s.chained && i > 0 {
			task["runAfter"] = []any{fmt.Sprintf("j%d", i-1)}
		}
		tasks = append(tasks, task)
	}
	return map[string]any{"pipelineSpec": map[string]any{"tasks": tasks}}
}

// steps of a Tekton task, each of which says its number.
func steps(n int) []any {
	var out []any
	for i := range n {
		out = append(out, map[string]any{
			"name": fmt.Sprintf("s%d", i), "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": []any{"echo"}, "args": []any{fmt.Sprint(i)},
		})
	}
	return out
}

// jobs runs every shape as a pipeline of Slipway's.
func (b *bench) jobs(ctx context.Context, in *instance) error {
	t, err := newTree(ctx, in, "jobs", "")
	if err != nil {
		return err
	}
	for k, s := range shapes {
		if _, err := t.commit(ctx, ".gitlab-ci.yml", s.file()); err != nil {
			return err
		}
		for i := range s.rounds + 1 {
			if k > 0 && i == 0 {
				continue // warm by now
			}
			if _, err := t.commit(ctx, "round", s.name+fmt.Sprint(i)); err != nil {
				return err
			}
			line, err := watchJobs(ctx, in, t.name)
			if err != nil {
				return err
			}
			r, err := t.ran(ctx)
			line.end()
			if err != nil {
				return err
			}
			if i > 0 && s.chained {
				line.report(b, r)
			}
			if r.Status.Phase != slipway.Succeeded {
				return fmt.Errorf("run %s is %s: %s %v", r.Name, r.Status.Phase, r.Status.Message, r.Status.Problems)
			}
			if i > 0 {
				b.report.add(s.name, "s", r.Status.FinishedAt.Sub(r.Status.StartedAt.Time).Seconds())
			}
			for n := 1; i > 0 && s.chained && n < len(r.Status.Jobs); n++ {
				b.report.add(nextJob, "s", r.Status.Jobs[n].FinishedAt.Sub(r.Status.Jobs[n-1].FinishedAt.Time).Seconds())
			}
		}
	}
	return nil
}

// ran pushes what is committed and returns its run when it is over.
func (t *tree) ran(ctx context.Context) (*slipway.Run, error) {
	if err := t.push(ctx); err != nil {
		return nil, err
	}
	return t.in.client.WaitRun(ctx, t.run(), func(r *slipway.Run) bool { return r.Status.Phase.Finished() })
}

// pipelineRuns runs every shape as a PipelineRun.
func (b *bench) pipelineRuns(ctx context.Context, in *instance) error {
	for k, s := range shapes {
		for i := range s.rounds + 1 {
			if k > 0 && i == 0 {
				continue
			}
			took, ends, err := in.tekton(ctx, "PipelineRun", s.pipelineRun())
			if err != nil {
				return err
			}
			if i > 0 {
				b.report.against(s.name+upstream, "s", took.Seconds(), s.name)
			}
			for n := 1; i > 0 && s.chained && n < len(ends); n++ {
				b.report.against(nextJob+upstream, "s", (ends[n] - ends[n-1]).Seconds(), nextJob)
			}
		}
	}
	return nil
}

// taskRuns are the same on every instance but for its settings, which suffix names.
func (b *bench) taskRuns(ctx context.Context, in *instance, suffix string) error {
	for _, t := range []struct {
		name  string
		steps int
	}{{oneStep, 1}, {threeSteps, 3}} {
		for i := range 4 {
			took, _, err := in.tekton(ctx, "TaskRun", map[string]any{"taskSpec": map[string]any{"steps": steps(t.steps)}})
			if err != nil {
				return err
			}
			if i > 0 {
				b.report.against(t.name+suffix, "s", took.Seconds(), t.name)
			}
		}
	}
	return nil
}
