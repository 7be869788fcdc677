package run

import (
	"context"
	"net/url"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// locate what a job has deployed: the address of its environment, with what the job
// itself reported (dotenv) put in. Secrets are not known here, and so are never in an
// address, which everyone sees.
func (c *Controller) locate(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, job *plan.Job, js *v1alpha1.JobStatus) error {
	if js.Phase != v1alpha1.Succeeded || job.Environment == nil || job.Environment.URL == "" {
		return nil
	}
	told, err := c.told(ctx, run, p, job)
	if err != nil {
		return err
	}
	own, err := c.toldBy(ctx, run, job)
	if err != nil {
		return err
	}
	js.EnvironmentURL = link(plan.ExpandIn(job.Environment.URL, plan.Environ(played(run, p, js), job, nil, append(told, own...), nil)))
	return nil
}

// link returns address where it is one that a browser may be sent to, else nothing.
func link(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(address) > 2048 {
		return ""
	}
	return u.String()
}
