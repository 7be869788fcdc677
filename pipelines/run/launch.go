package run

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
)

// Names within a job's pod.
const (
	jobServiceAccount = "slipway-job"
	stepName          = "job"
	containerName     = "step-" + stepName
	buildsDir         = "/builds"
	credentialsDir    = "/var/run/slipway/job"
	// entrypoint is where Tekton puts the runner, whatever the job's image.
	entrypoint = "/tekton/bin/entrypoint"
	runJob     = "run-job"
)

const (
	defaultTimeout = time.Hour
	// startMargin is added for pulling the image, the source, artifacts and after_script.
	startMargin = 15 * time.Minute
	// tokenMargin is how long a token is good after the TaskRun must have ended.
	tokenMargin = 10 * time.Minute
)

func (c *Controller) timeout(job *plan.Job) time.Duration {
	switch {
	case job.Timeout.Duration > 0:
		return job.Timeout.Duration
	case c.Settings.Timeout > 0:
		return c.Settings.Timeout
	}
	return defaultTimeout
}

// refusedError says that the attempt can never start as it is written.
type refusedError struct{ error }

// launch makes the TaskRun of the job's attempt and the Secrets with its token and the
// variables of its services. What is there already stays.
func (c *Controller) launch(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, job *plan.Job, js *v1alpha1.JobStatus) error {
	ahead := c.restoresAhead(ctx, run, p, job, js)
	job, err := c.filled(ctx, run, p, job, js)
	if err != nil {
		return err
	}
	if why := gone(run, p, job, time.Now()); why != "" {
		return refusedError{errors.New(why)}
	}
	job = atWay(job, js.PullWay)
	ref := jobapi.Ref{Namespace: run.Namespace, Run: run.Name, Job: job.ID, Attempt: js.Attempt}
	limit := c.timeout(job) + startMargin
	meta := metav1.ObjectMeta{
		Namespace: run.Namespace, Name: js.TaskRun,
		Labels: map[string]string{
			v1alpha1.LabelRepository: run.Spec.Repository, v1alpha1.LabelRun: run.Name,
			v1alpha1.LabelJob: job.ID, v1alpha1.LabelAttempt: strconv.Itoa(js.Attempt),
		},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("Run"))},
	}
	account := &corev1.ServiceAccount{
		ObjectMeta:                   metav1.ObjectMeta{Namespace: run.Namespace, Name: jobServiceAccount},
		AutomountServiceAccountToken: ptr.To(false),
	}
	secret := &corev1.Secret{ObjectMeta: *meta.DeepCopy(), Data: map[string][]byte{
		wire.TokenFile: []byte(c.Tokens.Issue(ref, time.Now().Add(limit+tokenMargin))),
		wire.CAFile:    c.Settings.CA,
	}}
	secret.Name = jobSecret(meta.Name)
	tr, err := c.taskRun(meta, ref, job, metav1.Duration{Duration: limit})
	if err != nil {
		return refusedError{err}
	}
	if ahead {
		restoreAhead(tr, c.Settings.RunnerImage)
	}
	tr.Annotations = map[string]string{madeAnnotation: time.Now().UTC().Format(time.RFC3339Nano)}
	tr.SetDefaults(ctx)
	if err := tr.Validate(ctx); err != nil {
		return refusedError{err}
	}
	secrets, err := c.serviceSecrets(ctx, meta, run, p, job)
	if err != nil {
		return fmt.Errorf("job %s: services: %w", job.Name, err)
	}
	if err := c.Create(ctx, account); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("job %s: service account: %w", job.Name, err)
	}
	for _, secret := range append(secrets, secret) {
		if err := c.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("job %s: secret %s: %w", job.Name, secret.Name, err)
		}
	}
	if err := c.Create(ctx, tr); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("job %s: task run: %w", job.Name, err)
	}
	return nil
}

// jobSecret holds the token of an attempt.
func jobSecret(attempt string) string { return v1alpha1.JobSecretPrefix + attempt }

// serverDoes says whether the job needs no shell because the server does its work.
func serverDoes(job *plan.Job) bool {
	return job.Image.Name == "" && (job.Build != nil || job.Deploy != nil)
}
