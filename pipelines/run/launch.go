package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/pod"
	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
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
	maxName     = 63
)

// attemptName is <run>-<job>-<attempt>, cut and hashed where that is too long for a
// label value and a pod name.
func attemptName(run, id string, attempt int) string {
	name := run + "-" + id + "-" + strconv.Itoa(attempt)
	if len(name) <= maxName-len("-pod") {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	tail := "-" + hex.EncodeToString(sum[:4]) + "-" + strconv.Itoa(attempt)
	return strings.TrimRight(name[:maxName-len("-pod")-len(tail)], "-.") + tail
}

func (c *Controller) timeout(job *plan.Job) time.Duration {
	switch {
	case job.Timeout.Duration > 0:
		return job.Timeout.Duration
	case c.Settings.Timeout > 0:
		return c.Settings.Timeout
	}
	return defaultTimeout
}

// launch makes the TaskRun of the job's attempt and the Secret with its token. What
// is there already stays.
func (c *Controller) launch(ctx context.Context, run *v1alpha1.Run, job *plan.Job, js *v1alpha1.JobStatus) error {
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
	secret := &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{
		wire.TokenFile: []byte(c.Tokens.Issue(ref, time.Now().Add(limit+tokenMargin))),
		wire.CAFile:    c.Settings.CA,
	}}
	tr := c.taskRun(meta, ref, job, limit)
	tr.SetDefaults(ctx)
	if err := tr.Validate(ctx); err != nil {
		return fmt.Errorf("job %s: %w", job.Name, err)
	}
	if err := c.Create(ctx, account); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("job %s: service account: %w", job.Name, err)
	}
	if err := c.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("job %s: token: %w", job.Name, err)
	}
	if err := c.Create(ctx, tr); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("job %s: task run: %w", job.Name, err)
	}
	return nil
}

func (c *Controller) taskRun(meta metav1.ObjectMeta, ref jobapi.Ref, job *plan.Job, limit time.Duration) *tekton.TaskRun {
	image := job.Image.Name
	switch {
	case image == "" && serverDoes(job):
		image = c.Settings.RunnerImage
	case image == "":
		image = c.Settings.DefaultImage
	}
	step := tekton.Step{
		Name: stepName, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
		Command: []string{entrypoint}, Args: []string{runJob},
		Env: []corev1.EnvVar{
			{Name: wire.EnvURL, Value: strings.TrimSuffix(c.Settings.ServerURL, "/") + ref.Path()},
			{Name: wire.EnvCredentials, Value: credentialsDir},
			{Name: wire.EnvBuilds, Value: buildsDir},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "builds", MountPath: buildsDir},
			{Name: "job-credentials", MountPath: credentialsDir, ReadOnly: true},
		},
		ComputeResources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
		}},
		SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: ptr.To(false)},
	}
	return &tekton.TaskRun{
		ObjectMeta: meta,
		Spec: tekton.TaskRunSpec{
			ServiceAccountName: jobServiceAccount,
			Timeout:            &metav1.Duration{Duration: limit},
			TaskSpec: &tekton.TaskSpec{
				Steps: []tekton.Step{step},
				Volumes: []corev1.Volume{
					{Name: "builds", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
					{Name: "job-credentials", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: meta.Name}}},
				},
			},
			PodTemplate: &pod.Template{
				AutomountServiceAccountToken: ptr.To(false),
				EnableServiceLinks:           ptr.To(false),
				SecurityContext: &corev1.PodSecurityContext{
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				},
			},
		},
	}
}

// serverDoes says whether the job needs no shell because the server does its work.
func serverDoes(job *plan.Job) bool {
	return job.Image.Name == "" && (job.Build != nil || job.Deploy != nil)
}
