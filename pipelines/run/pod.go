package run

import (
	"context"
	"errors"
	"strings"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/pod"
	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/plan"
)

// refused ends a job whose attempt can never start; any other error is tried again.
func (c *Controller) refused(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, js *v1alpha1.JobStatus, err error) (ctrl.Result, error) {
	var never refusedError
	if !errors.As(err, &never) {
		return ctrl.Result{}, err
	}
	before, reason := run.DeepCopy(), reasonSystem
	if js.Child != "" {
		js.Child, reason = "", reasonChild // it was not made
	} else if job := p.Job(js.Name); job != nil {
		a := joblog.Attempt{Namespace: run.Namespace, Run: run.Name, Job: job.ID, Number: js.Attempt}
		if err := c.LogStore.Seal(a, oneLine(err.Error())); err != nil {
			c.Log.Error("seal job log", "run", run.Name, "job", job.Name, "err", err)
		}
	}
	end(js, v1alpha1.Failed, reason, oneLine(err.Error()))
	return conflict(c.save(ctx, before, run))
}

// taskRun is one step, the job, with its services beside it.
func (c *Controller) taskRun(meta metav1.ObjectMeta, ref jobapi.Ref, job *plan.Job, limit metav1.Duration) (*tekton.TaskRun, error) {
	affinity, err := nodes(job.Nodes)
	if err != nil {
		return nil, err
	}
	step, err := c.step(ref, job)
	if err != nil {
		return nil, err
	}
	return &tekton.TaskRun{
		ObjectMeta: meta,
		Spec: tekton.TaskRunSpec{
			ServiceAccountName: jobServiceAccount,
			Timeout:            &limit,
			TaskSpec: &tekton.TaskSpec{
				Steps:    []tekton.Step{step},
				Sidecars: sidecars(meta.Name, job),
				Volumes: []corev1.Volume{
					{Name: "builds", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
					{Name: "job-credentials", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: jobSecret(meta.Name)}}},
				},
			},
			PodTemplate: &pod.Template{
				AutomountServiceAccountToken: ptr.To(false),
				EnableServiceLinks:           ptr.To(false),
				SecurityContext: &corev1.PodSecurityContext{
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				},
				Affinity:    affinity,
				HostAliases: hostAliases(job),
			},
		},
	}, nil
}

func (c *Controller) step(ref jobapi.Ref, job *plan.Job) (tekton.Step, error) {
	image := job.Image.Name
	switch {
	case image == "" && serverDoes(job):
		image = c.Settings.RunnerImage
	case image == "":
		image = c.Settings.DefaultImage
	}
	for _, name := range images(image, job) {
		if err := plan.CheckImage(name); err != nil {
			return tekton.Step{}, err
		}
	}
	security, name, err := user(job.Image.User)
	if err != nil {
		return tekton.Step{}, err
	}
	security.AllowPrivilegeEscalation = ptr.To(false)
	step := tekton.Step{
		Name: stepName, Image: image, ImagePullPolicy: pullPolicy(image, job.Image.Pull),
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
		ComputeResources: requests("50m", "64Mi"),
		SecurityContext:  security,
	}
	if name != "" {
		step.Env = append(step.Env, corev1.EnvVar{Name: wire.EnvUser, Value: name})
	}
	return step, nil
}

// images of the job's own container and of its services.
func images(own string, job *plan.Job) []string {
	names := []string{own}
	for i := range job.Services {
		if runs(&job.Services[i]) {
			names = append(names, job.Services[i].Image.Name)
		}
	}
	return names
}

func requests(cpu, memory string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}
}

// pullPolicy as it was asked for. Otherwise an image of our own registry by tag is
// looked up each time, which costs no network and takes what was pushed last; any
// other is pulled where the node does not have it.
func pullPolicy(image, wanted string) corev1.PullPolicy {
	switch wanted {
	case "always":
		return corev1.PullAlways
	case "never":
		return corev1.PullNever
	case "if-not-present":
		return corev1.PullIfNotPresent
	}
	name, own := strings.CutPrefix(image, v1alpha1.RegistryHost+"/")
	if own && !strings.Contains(name, "@") && !strings.HasPrefix(name, systemImages) {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

// systemImages are imported into every node and never change under one tag.
const systemImages = "system/"

// user that the container runs as. Numbers are Kubernetes'; a name is looked up by the
// runner in the image's own list of users.
func user(text string) (*corev1.SecurityContext, string, error) {
	u, err := plan.ParseUser(text)
	if err != nil {
		return nil, "", err
	}
	return &corev1.SecurityContext{RunAsUser: u.UID, RunAsGroup: u.GID}, u.Name, nil
}

// nodes chooses nodes that have all the labels: "gpu" with any value, or "arch=arm64".
func nodes(labels []string) (*corev1.Affinity, error) {
	var match []corev1.NodeSelectorRequirement
	for _, label := range labels {
		l, err := plan.ParseLabel(label)
		if err != nil {
			return nil, err
		}
		r := corev1.NodeSelectorRequirement{Key: l.Key, Operator: corev1.NodeSelectorOpExists}
		if l.Valued {
			r.Operator, r.Values = corev1.NodeSelectorOpIn, []string{l.Value}
		}
		match = append(match, r)
	}
	if match == nil {
		return nil, nil
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: match}},
		},
	}}, nil
}
