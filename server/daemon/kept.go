package daemon

import (
	"context"
	"io"

	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/run"
	"slipway.dev/server/api"
)

// kept is what jobs left, in the words of api.Kept.
type kept struct{ *run.Controller }

var _ api.Kept = kept{}

func (k kept) ArtifactAccess(ctx context.Context, namespace, name, job string) (string, error) {
	return k.Access(ctx, namespace, name, job)
}

func (k kept) Artifacts(ctx context.Context, namespace, name, job string) (io.ReadCloser, string, error) {
	r, file, err := k.OpenArtifacts(ctx, namespace, name, job)
	return r, file, notThere(err, "job %s of run %s kept no artifacts", job, name)
}

func (k kept) ArtifactIndex(ctx context.Context, namespace, name, job string) (any, error) {
	list, cut, err := k.ListArtifacts(ctx, namespace, name, job)
	return struct {
		Entries []jobapi.Entry `json:"entries"`
		// Cut: there are more entries than are listed.
		Cut bool `json:"cut,omitempty"`
	}{list, cut}, err
}

func (k kept) ArtifactFile(ctx context.Context, namespace, name, job, path string) (io.ReadCloser, error) {
	r, err := k.OpenArtifact(ctx, namespace, name, job, path)
	return r, notThere(err, "the artifacts of job %s have no file %q", job, path)
}

func (k kept) Report(ctx context.Context, namespace, name, job, kind string) (io.ReadCloser, error) {
	return k.OpenReport(ctx, namespace, name, job, kind)
}

func (k kept) JobTests(ctx context.Context, namespace, name, job string) (any, error) {
	r, err := k.Tests(ctx, namespace, name, job)
	return r, notThere(err, "job %s of run %s reported no tests", job, name)
}

func (k kept) RunTests(ctx context.Context, namespace, name string) (any, error) {
	return k.Compare(ctx, namespace, name)
}

func (k kept) JobCoverage(ctx context.Context, namespace, name, job string) (any, error) {
	r, err := k.Controller.JobCoverage(ctx, namespace, name, job)
	return r, notThere(err, "job %s of run %s has no coverage report", job, name)
}

func (k kept) RunCoverage(ctx context.Context, namespace, name string) (any, error) {
	r, err := k.CompareCoverage(ctx, namespace, name)
	return r, notThere(err, "run %s has no coverage report", name)
}
