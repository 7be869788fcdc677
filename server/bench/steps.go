package bench

import (
	"context"
	"fmt"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

const (
	threeJobs  = "three chained jobs, run started to finished"
	threeSteps = "three-step TaskRun, created to succeeded"
	upstream   = ", upstream's defaults"
	stepRounds = 3
)

const pipeline = `default: {image: busybox}
one: {script: [echo one]}
two: {script: [echo two], needs: [one]}
three: {script: [echo three], needs: [two]}
`

// steps runs three small things one after the other, as jobs of a pipeline and as
// steps of one TaskRun. The first round of each warms the caches and is not counted.
func (b *bench) steps(ctx context.Context, in *instance, suffix string) error {
	t, err := newTree(ctx, in, "steps", "")
	if err != nil {
		return err
	}
	if _, err := t.commit(ctx, ".gitlab-ci.yml", pipeline); err != nil {
		return err
	}
	for i := range stepRounds + 1 {
		if _, err := t.commit(ctx, "round", fmt.Sprint(i)); err != nil {
			return err
		}
		if err := t.push(ctx); err != nil {
			return err
		}
		r, err := in.client.WaitRun(ctx, t.run(), func(r *slipway.Run) bool { return r.Status.Phase.Finished() })
		if err != nil {
			return err
		}
		if r.Status.Phase != slipway.Succeeded {
			return fmt.Errorf("run %s is %s: %s %v", r.Name, r.Status.Phase, r.Status.Message, r.Status.Problems)
		}
		took, err := in.taskRun(ctx)
		if err != nil {
			return err
		}
		if i > 0 {
			b.report.against(threeJobs+suffix, "s", r.Status.FinishedAt.Sub(r.Status.StartedAt.Time).Seconds(), threeJobs)
			b.report.against(threeSteps+suffix, "s", took.Seconds(), threeSteps)
		}
	}
	return nil
}
