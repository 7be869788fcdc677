package run

import (
	"context"
	"io"
	"strings"
	"time"

	"slipway.dev/pipelines/joblog"
)

// lastLines is how long a reader waits for the rest of a log whose job has ended.
const lastLines = 10 * time.Second

// OpenLog reads the log of a job's attempt; attempt 0 is the newest.
func (c *Controller) OpenLog(ctx context.Context, namespace, name, job string, attempt int, follow bool) (io.ReadCloser, error) {
	run, j, err := c.job(ctx, namespace, name, job)
	if err != nil {
		return nil, err
	}
	js := jobStatus(run, j.Name)
	if j.Trigger != nil {
		return io.NopCloser(strings.NewReader(triggerLog(js, attempt))), nil
	}
	if attempt == 0 {
		attempt = max(js.Attempt, 1)
	}
	if js.Phase.Finished() && js.Attempt < attempt {
		return io.NopCloser(strings.NewReader("")), nil // it never ran
	}
	a := joblog.Attempt{Namespace: namespace, Run: name, Job: j.ID, Number: attempt}
	if !follow && (js.Attempt > attempt || js.Phase.Finished()) {
		// Its last lines may be on their way: a log that ended is read whole.
		if c.Logs.Following(a) && !c.LogStore.Sealed(a) {
			return c.LogStore.Open(ctx, a, true)
		}
		whole, cancel := context.WithTimeout(ctx, lastLines)
		defer cancel()
		c.LogStore.WaitSealed(whole, a)
	}
	return c.LogStore.Open(ctx, a, follow)
}
