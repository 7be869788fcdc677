package run

import (
	"context"
	"io"
	"strings"

	"slipway.dev/pipelines/joblog"
)

// OpenLog reads the log of a job's attempt; attempt 0 is the newest.
func (c *Controller) OpenLog(ctx context.Context, namespace, name, job string, attempt int, follow bool) (io.ReadCloser, error) {
	run, j, err := c.job(ctx, namespace, name, job)
	if err != nil {
		return nil, err
	}
	js := jobStatus(run, j.Name)
	if attempt == 0 {
		attempt = max(js.Attempt, 1)
	}
	if js.Phase.Finished() && js.Attempt < attempt {
		return io.NopCloser(strings.NewReader("")), nil // it never ran
	}
	return c.LogStore.Open(ctx, joblog.Attempt{Namespace: namespace, Run: name, Job: j.ID, Number: attempt}, follow)
}
