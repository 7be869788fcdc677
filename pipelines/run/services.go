package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
)

var _ jobapi.Services = (*Controller)(nil)

// serviceName of the service at index i of the plan, as its sidecar is called.
func serviceName(i int) string { return "service-" + strconv.Itoa(i) }

// serviceContainer is how Tekton names the container of that sidecar.
func serviceContainer(i int) string { return "sidecar-" + serviceName(i) }

// dockerDaemon says whether the service is a Docker daemon, which needs a privileged
// container and is not started: the job's own docker works without one.
func dockerDaemon(image string) bool {
	name, _, _ := strings.Cut(image, "@")
	path, tag := name, ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		path, tag = name[:i], name[i+1:]
	}
	base := path[strings.LastIndexByte(path, '/')+1:]
	parts := strings.FieldsFunc(base+"-"+tag, func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	return slices.Contains(parts, "dind")
}

func runs(s *plan.Service) bool { return !dockerDaemon(s.Image.Name) }

// sidecars are the containers of the services. They share the job's network and end
// with it; what they print is kept by the node as long as the pod.
func sidecars(attempt string, job *plan.Job) []tekton.Sidecar {
	var out []tekton.Sidecar
	for i := range job.Services {
		s := &job.Services[i]
		if !runs(s) {
			continue
		}
		c := tekton.Sidecar{
			Name: serviceName(i), Image: s.Image.Name, ImagePullPolicy: pullPolicy(s.Image.Name, s.Image.Pull),
			EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: serviceSecret(attempt, i)}}}},
			ComputeResources: requests("10m", "32Mi"),
		}
		if security, _, err := user(s.Image.User); err == nil && security.RunAsUser != nil {
			c.SecurityContext = security
		}
		command := literal(s.Command)
		switch entry := literal(s.Image.Entrypoint); {
		case len(entry) == 1 && entry[0] == "":
			c.Command = command
		default:
			c.Command, c.Args = entry, command
		}
		out = append(out, c)
	}
	return out
}

// literal keeps Kubernetes from expanding $(NAME) in a command.
func literal(words []string) []string {
	out := slices.Clone(words)
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], "$(", "$$(")
	}
	return out
}

// hostAliases make the services' names this pod. Names that are no DNS names are
// added by the runner, as Kubernetes refuses them.
func hostAliases(job *plan.Job) []corev1.HostAlias {
	var names []string
	for i := range job.Services {
		if !runs(&job.Services[i]) {
			continue
		}
		for _, n := range job.Services[i].Names {
			if len(validation.IsDNS1123Subdomain(n)) == 0 && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	if names == nil {
		return nil
	}
	return []corev1.HostAlias{{IP: "127.0.0.1", Hostnames: names}}
}

func serviceSecret(attempt string, i int) string { return jobSecret(attempt) + "." + serviceName(i) }

// serviceSecrets hold the variables of each service: those of the job that are no
// secrets, then the service's own, which may refer to secrets.
func (c *Controller) serviceSecrets(ctx context.Context, meta metav1.ObjectMeta, run *v1alpha1.Run, p *plan.Plan, job *plan.Job) ([]*corev1.Secret, error) {
	if !slices.ContainsFunc(job.Services, func(s plan.Service) bool { return runs(&s) }) {
		return nil, nil
	}
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}, repo); err != nil {
		return nil, err
	}
	secret, err := c.secrets(ctx, run, repo, p, job)
	if err != nil {
		return nil, err
	}
	hidden := map[string]bool{}
	for _, v := range secret.Vars {
		hidden[v.Name] = true
	}
	env := plan.Environ(played(run, p, jobStatus(run, job.Name)), job, nil, nil, secret.Vars)
	for i := range env {
		env[i].Raw = true
	}
	var out []*corev1.Secret
	for i := range job.Services {
		s := &job.Services[i]
		if !runs(s) {
			continue
		}
		own := map[string]bool{}
		for _, v := range s.Variables {
			own[v.Name] = true
		}
		data := map[string][]byte{}
		for _, v := range plan.Resolve(append(slices.Clone(env), s.Variables...)) {
			if (own[v.Name] || !hidden[v.Name]) && plan.ValidName(v.Name) && v.Name != "PATH" {
				data[v.Name] = []byte(strings.ReplaceAll(v.Value, "\x00", ""))
			}
		}
		m := *meta.DeepCopy()
		m.Name = serviceSecret(meta.Name, i)
		out = append(out, &corev1.Secret{ObjectMeta: m, Data: data})
	}
	return out, nil
}

// serviceLook is how often the state of services is looked up, in memory, while a job
// waits for them to start.
const serviceLook = 100 * time.Millisecond

// Services implements jobapi.Services: it waits until each has started or cannot.
func (c *Controller) Services(ctx context.Context, ref jobapi.Ref, changed func([]wire.Service)) ([]wire.Service, error) {
	var last []wire.Service
	var job *plan.Job
	for {
		run, p, found, js, err := c.find(ctx, ref)
		if err != nil {
			return nil, err
		}
		if job == nil {
			if job, err = c.filled(ctx, run, p, found, js); err != nil {
				return nil, err
			}
		}
		tr := &tekton.TaskRun{}
		if err := c.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: js.TaskRun}, tr); apierrors.IsNotFound(err) {
			return nil, jobapi.ErrGone
		} else if err != nil {
			return nil, err
		}
		now := serviceStates(job, tr)
		if !slices.ContainsFunc(now, func(s wire.Service) bool { return s.State == wire.ServiceWaiting }) {
			return now, nil
		}
		if !slices.EqualFunc(last, now, func(a, b wire.Service) bool { return a.State == b.State && a.Message == b.Message }) {
			changed(now)
			last = now
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(serviceLook):
		}
	}
}

func serviceStates(job *plan.Job, tr *tekton.TaskRun) []wire.Service {
	var out []wire.Service
	for i := range job.Services {
		s := &job.Services[i]
		w := wire.Service{Image: s.Image.Name, Names: s.Names, State: wire.ServiceWaiting}
		if !runs(s) {
			w.State = wire.ServiceLeftOut
		}
		for _, v := range s.Variables {
			if v.Name == "HEALTHCHECK_TCP_PORT" {
				if port, err := strconv.ParseUint(v.Value, 10, 16); err == nil {
					w.Ports = []int{int(port)}
				}
			}
		}
		for _, state := range tr.Status.Sidecars {
			if state.Name != serviceName(i) {
				continue
			}
			switch {
			case state.Running != nil:
				w.State = wire.ServiceRunning
			case state.Terminated != nil:
				w.State = wire.ServiceEnded
				w.Message = fmt.Sprintf("it ended with exit code %d", state.Terminated.ExitCode)
				if m := oneLine(state.Terminated.Message); m != "" {
					w.Message += ": " + m
				}
			case state.Waiting != nil:
				w.Message = oneLine(state.Waiting.Reason + " " + state.Waiting.Message)
			}
		}
		out = append(out, w)
	}
	return out
}

var errNoLogs = errors.New("logs of services are not to be had here")

// ServiceLog implements jobapi.Services.
func (c *Controller) ServiceLog(ctx context.Context, ref jobapi.Ref, index int) (io.ReadCloser, error) {
	_, _, job, js, err := c.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= len(job.Services) || c.ServiceLogs == nil {
		return nil, errNoLogs
	}
	tr := &tekton.TaskRun{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: js.TaskRun}, tr); err != nil {
		return nil, err
	}
	return c.ServiceLogs(ctx, ref.Namespace, tr.Status.PodName, serviceContainer(index))
}

// onlyServicesFailed says whether the job itself did its work: how a service ends is
// not the job's result.
func onlyServicesFailed(tr *tekton.TaskRun, reason string) bool {
	switch tekton.TaskRunReason(reason) {
	case tekton.TaskRunReasonSidecarFailed, tekton.TaskRunReasonSidecarOOM:
	default:
		return false
	}
	for _, s := range tr.Status.Steps {
		if s.Terminated == nil || s.Terminated.ExitCode != 0 {
			return false
		}
	}
	return len(tr.Status.Steps) > 0
}
