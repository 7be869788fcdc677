package run

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// defaultExpiry of artifacts that say nothing.
const defaultExpiry = 30 * 24 * time.Hour

// Kept implements jobapi.Jobs.
func (c *Controller) Kept(ctx context.Context, ref jobapi.Ref) error {
	_, _, job, _, err := c.find(ctx, ref)
	if err != nil {
		return err
	}
	link, err := c.exposed(ctx, ref, job.Artifacts)
	if err != nil {
		return err
	}
	return c.change(ctx, ref, func(js *v1alpha1.JobStatus) {
		js.Artifacts, js.ArtifactsExpire, js.Exposed = true, nil, link
		if job.Artifacts != nil && !job.Artifacts.Keep {
			in := cmp.Or(job.Artifacts.ExpireIn.Duration, c.Settings.ArtifactsExpire, defaultExpiry)
			at := metav1.NewTime(time.Now().Add(in).Truncate(time.Second))
			js.ArtifactsExpire = &at
		}
	})
}

// exposed is the link to what a job kept; nil where it asks for none, or for one that
// needs variables, which GitLab does not show either.
func (c *Controller) exposed(ctx context.Context, ref jobapi.Ref, a *plan.Artifacts) (*v1alpha1.ExposedArtifacts, error) {
	if a == nil || a.ExposeAs == "" || slices.ContainsFunc(a.Paths, func(p string) bool { return strings.Contains(p, "$") }) {
		return nil, nil
	}
	link := &v1alpha1.ExposedArtifacts{Name: a.ExposeAs}
	if len(a.Paths) != 1 {
		return link, nil
	}
	rc, err := c.Artifacts.Get(ctx, ref.Namespace, ref.Run, jobapi.ArtifactName(ref.Job))
	if err != nil {
		return nil, err
	}
	archive, err := jobapi.OpenArchive(rc)
	if err != nil {
		return link, nil // it is there, whatever is in it
	}
	defer archive.Close()
	if one, err := archive.One(a.Paths[0]); err == nil {
		one.Close()
		link.Path = path.Clean(a.Paths[0])
	}
	return link, nil
}

// summarize the coverage and tests of the jobs.
func summarize(run *v1alpha1.Run) {
	var sum, seconds float64
	figures := 0
	var tests *v1alpha1.TestCounts
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		var f float64
		if _, err := fmt.Sscanf(js.Coverage, "%g", &f); err == nil {
			sum, figures = sum+f, figures+1
		}
		if t := js.Tests; t != nil {
			if tests == nil {
				tests = &v1alpha1.TestCounts{}
			}
			tests.Total, tests.Failed = tests.Total+t.Total, tests.Failed+t.Failed
			tests.Skipped, tests.Errors = tests.Skipped+t.Skipped, tests.Errors+t.Errors
			if _, err := fmt.Sscanf(t.Seconds, "%g", &f); err == nil {
				seconds += f
			}
			tests.Seconds = fmt.Sprintf("%.3f", seconds)
		}
	}
	run.Status.Tests, run.Status.Coverage = tests, ""
	if figures > 0 {
		run.Status.Coverage = fmt.Sprintf("%.2f", sum/float64(figures))
	}
}

// Access says for whom a job keeps its artifacts: "" or all, developer, maintainer, none.
func (c *Controller) Access(ctx context.Context, namespace, name, job string) (string, error) {
	_, j, err := c.job(ctx, namespace, name, job)
	if err != nil || j.Artifacts == nil {
		return "", err
	}
	return j.Artifacts.Access, nil
}

// errPrivate is what people get who ask for artifacts that nobody may download.
var errPrivate = apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("artifacts").GroupResource(), "", fmt.Errorf("the job keeps its artifacts for other jobs only (access: none)"))

// open a file of a job's among the artifacts of its run.
func (c *Controller) openKept(ctx context.Context, namespace, name, job string, file func(id string) string) (io.ReadCloser, *plan.Job, error) {
	_, j, err := c.job(ctx, namespace, name, job)
	if err != nil {
		return nil, nil, err
	}
	if j.Artifacts != nil && j.Artifacts.Access == "none" {
		return nil, nil, errPrivate
	}
	rc, err := c.Artifacts.Get(ctx, namespace, name, file(j.ID))
	if err != nil {
		return nil, nil, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("artifacts").GroupResource(), job)
	}
	return rc, j, nil
}

// OpenArtifacts reads the zip that a job kept, and says its name.
func (c *Controller) OpenArtifacts(ctx context.Context, namespace, name, job string) (rc io.ReadCloser, file string, err error) {
	rc, j, err := c.openKept(ctx, namespace, name, job, jobapi.ArtifactName)
	if err != nil {
		return nil, "", err
	}
	file = "artifacts"
	if j.Artifacts != nil && j.Artifacts.Name != "" {
		if p, err := c.loadPlan(ctx, namespace, name); err == nil && p != nil {
			env := plan.Environ(p, j, nil, nil, nil)
			file = plan.Expand(j.Artifacts.Name, func(name string) (string, bool) {
				for _, v := range env {
					if v.Name == name {
						return v.Value, true
					}
				}
				return "", true
			})
		}
	}
	return rc, strings.Map(fileRune, file) + ".zip", nil
}

// fileRune keeps what a file name may have everywhere.
func fileRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-_.+@", r):
		return r
	}
	return '-'
}

// ListArtifacts says what is in the zip that a job kept; cut: there is more.
func (c *Controller) ListArtifacts(ctx context.Context, namespace, name, job string) (list []jobapi.Entry, cut bool, err error) {
	rc, _, err := c.openKept(ctx, namespace, name, job, jobapi.ArtifactName)
	if err != nil {
		return nil, false, err
	}
	a, err := jobapi.OpenArchive(rc)
	if err != nil {
		return nil, false, err
	}
	defer a.Close()
	list, cut = a.Entries()
	return list, cut, nil
}

// OpenArtifact reads one file of the zip that a job kept.
func (c *Controller) OpenArtifact(ctx context.Context, namespace, name, job, path string) (io.ReadCloser, error) {
	rc, _, err := c.openKept(ctx, namespace, name, job, jobapi.ArtifactName)
	if err != nil {
		return nil, err
	}
	a, err := jobapi.OpenArchive(rc)
	if err != nil {
		return nil, err
	}
	one, err := a.One(path)
	if err != nil {
		a.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{one, closers{one, a}}, nil
}

type closers []io.Closer

func (c closers) Close() (err error) {
	for _, one := range c {
		if e := one.Close(); err == nil {
			err = e
		}
	}
	return err
}

// OpenReport reads the files of one kind of report that a job left, as a zip.
func (c *Controller) OpenReport(ctx context.Context, namespace, name, job, kind string) (io.ReadCloser, error) {
	rc, _, err := c.openKept(ctx, namespace, name, job, func(id string) string { return jobapi.ReportName(id, strings.ReplaceAll(kind, "_", "-")) })
	return rc, err
}
