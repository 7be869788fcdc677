package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// Origin is the job that started a run, as far as what the run does depends on it.
type Origin struct {
	// Run of the job.
	Run *v1alpha1.Run
	// Attempt is the ID of the job's attempt, as its pod would have it.
	Attempt string
	// Files of the pipeline; none: it is the repository's own.
	Files []OriginFile
}

// OriginFile is one pipeline file that the job names.
type OriginFile struct {
	plan.TriggerFile
	// Content of a file that another job made; nil where it made none.
	Content []byte
}

// maxMade is how much is read of a pipeline file that a job made, as GitLab has it.
const maxMade = 5 << 20

// origin of a run; nil where nobody's job started it. Why says that the run may not be:
// whoever can make Runs could else have any file of any job run with what is kept for a
// protected branch.
func (c *Controller) origin(ctx context.Context, run *v1alpha1.Run) (of *Origin, why string, err error) {
	up := run.Spec.Parent
	if up == nil {
		return nil, "", nil
	}
	parent := &v1alpha1.Run{}
	err = c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: up.Run}, parent)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Sprintf("run %s, which started this one, is gone", up.Run), nil
	}
	if err != nil {
		return nil, "", err
	}
	p, err := c.loadPlan(ctx, run.Namespace, up.Run)
	if err != nil {
		return nil, "", err
	}
	job := findJob(p, up.Job)
	if job == nil || job.Trigger == nil || !begat(parent, job, run) {
		return nil, fmt.Sprintf("job %q of run %s did not start this run", up.Job, up.Run), nil
	}
	of = &Origin{Run: parent, Attempt: attemptName(parent.Name, job.ID, up.Attempt)}
	for _, f := range job.Trigger.Files {
		one := OriginFile{TriggerFile: f}
		if one.Content, why, err = c.made(ctx, parent, p, f); why != "" || err != nil {
			return nil, why, err
		}
		if len(job.Trigger.Inputs) > 0 { // for all files; those of the file itself come first
			one.Inputs = maps.Clone(job.Trigger.Inputs)
			maps.Copy(one.Inputs, f.Inputs)
		}
		of.Files = append(of.Files, one)
	}
	return of, "", nil
}

// begat says whether that job of the parent started the run, as its status has it, which
// nobody else writes.
func begat(parent *v1alpha1.Run, job *plan.Job, run *v1alpha1.Run) bool {
	js, up, a, b := jobStatus(parent, job.Name), run.Spec.Parent, &parent.Spec, &run.Spec
	if js == nil || up == nil || up.Run != parent.Name || up.Job != job.Name {
		return false
	}
	if to := job.Trigger.Repository; to != "" {
		if b.Cause != v1alpha1.RunCausePipeline || b.Repository != to {
			return false
		}
	} else if b.Cause != v1alpha1.RunCauseChild || a.Repository != b.Repository || a.Commit != b.Commit || a.Ref != b.Ref || a.Target != b.Target ||
		!equality.Semantic.DeepEqual(a.MergeRequest, b.MergeRequest) {
		return false
	}
	if js.Attempt == up.Attempt {
		return js.Child == run.Name
	}
	for _, old := range js.Attempts {
		if old.Number == up.Attempt {
			return old.Child == run.Name
		}
	}
	return false
}

// made reads a pipeline file from what a job kept. The archive is whatever the job's pod
// sent: why says what is wrong with it.
func (c *Controller) made(ctx context.Context, parent *v1alpha1.Run, p *plan.Plan, f plan.TriggerFile) (content []byte, why string, err error) {
	if f.Job == "" {
		return nil, "", nil
	}
	job := p.Job(f.Job)
	if job == nil {
		return nil, fmt.Sprintf("the job %q, which makes the pipeline file %s, is not in run %s; its rules leave it out", f.Job, f.Path, parent.Name), nil
	}
	rc, err := c.Artifacts.Get(ctx, parent.Namespace, parent.Name, jobapi.ArtifactName(job.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil // the compiler says that it is not there
	}
	if err != nil {
		return nil, "", fmt.Errorf("artifacts of job %s: %w", job.Name, err)
	}
	a, err := jobapi.OpenArchive(rc)
	if err != nil {
		return nil, fmt.Sprintf("the artifacts of job %q cannot be read: %s", job.Name, oneLine(err.Error())), nil
	}
	defer a.Close()
	content, err = a.Read(f.Path, maxMade)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", nil
	case err != nil:
		return nil, fmt.Sprintf("the pipeline file that job %q made cannot be read: %s", job.Name, oneLine(err.Error())), nil
	}
	return content, "", nil
}
