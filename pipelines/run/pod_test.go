package run

import (
	"strings"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
)

func taskRunOf(t *testing.T, job *plan.Job) *tekton.TaskRun {
	t.Helper()
	c := &Controller{Settings: Settings{ServerURL: "https://10.0.0.5:8443", RunnerImage: "runner:1", DefaultImage: "toolbox:1"}}
	tr, err := c.taskRun(metav1.ObjectMeta{Namespace: "default", Name: "shop-1-test-1"},
		jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "test", Attempt: 1}, job, metav1.Duration{Duration: defaultTimeout})
	if err != nil {
		t.Fatal(err)
	}
	tr.SetDefaults(t.Context())
	if err := tr.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tr
}

// A job's pod has no identity of its own, no more rights than Docker's defaults, and
// nothing of the node.
func TestJobPodsAreUnprivileged(t *testing.T) {
	tr := taskRunOf(t, &plan.Job{Name: "test", Services: []plan.Service{{Image: plan.Image{Name: "postgres:16"}, Names: []string{"db"}}}})
	p := tr.Spec.PodTemplate
	if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken || tr.Spec.ServiceAccountName != jobServiceAccount {
		t.Error("the pod has a service account token")
	}
	if p.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("no seccomp profile")
	}
	if p.HostNetwork || p.HostUsers != nil || p.RuntimeClassName != nil {
		t.Error("the pod shares something of the node's")
	}
	for _, v := range tr.Spec.TaskSpec.Volumes {
		if v.HostPath != nil {
			t.Errorf("volume %s is of the node", v.Name)
		}
	}
	contexts := []*corev1.SecurityContext{tr.Spec.TaskSpec.Steps[0].SecurityContext, tr.Spec.TaskSpec.Sidecars[0].SecurityContext}
	for _, s := range contexts {
		if s != nil && (s.Privileged != nil || s.Capabilities != nil) {
			t.Errorf("security context %+v", s)
		}
	}
}

func TestServicesBecomeSidecars(t *testing.T) {
	tr := taskRunOf(t, &plan.Job{Name: "test", Services: []plan.Service{
		{Image: plan.Image{Name: "docker:24-dind"}, Names: []string{"docker"}},
		{Image: plan.Image{Name: "postgres:16", Pull: "always", User: "70"}, Names: []string{"db", "tutum__x", "db"}, Command: []string{"postgres", "-c", "a=$(HOME)"}},
		{Image: plan.Image{Name: "busybox", Entrypoint: []string{""}}, Names: []string{"web.example"}, Command: []string{"httpd", "-f"}},
	}})
	s := tr.Spec.TaskSpec.Sidecars
	if len(s) != 2 || s[0].Name != "service-1" || s[1].Name != "service-2" {
		t.Fatalf("%+v", s)
	}
	if s[0].ImagePullPolicy != corev1.PullAlways || *s[0].SecurityContext.RunAsUser != 70 || len(s[0].Command) != 0 || s[0].Args[2] != "a=$$(HOME)" {
		t.Errorf("%+v", s[0])
	}
	if strings.Join(s[1].Command, " ") != "httpd -f" || s[1].Args != nil {
		t.Errorf("%+v", s[1])
	}
	if got := tr.Spec.PodTemplate.HostAliases; len(got) != 1 || got[0].IP != "127.0.0.1" || strings.Join(got[0].Hostnames, " ") != "db web.example" {
		t.Errorf("%+v", got)
	}
}

func TestDockerDaemonsAreKnownByName(t *testing.T) {
	for image, want := range map[string]bool{
		"docker:dind": true, "docker:24-dind": true, "docker:24.0.5-dind-rootless": true, "docker.io/library/docker:dind@sha256:00": true,
		"registry.example:5000/mirror/docker-dind:1": true, "docker:24": false, "postgres:16": false, "dinding:1": false, "registry:2": false, "": false,
	} {
		if got := dockerDaemon(image); got != want {
			t.Errorf("%q: %v", image, got)
		}
	}
}

func TestUserOfTheImage(t *testing.T) {
	for text, want := range map[string]string{
		"": "/", "1000": "1000/", "1000:50": "1000:50/", "node": "/node", "node:www-data": "/node:www-data",
		"-1": "error", "1000:": "error", "99999999999": "error", "a b": "error", "node;id": "error", "4294967295": "error",
	} {
		s, name, err := user(text)
		got := "error"
		if err == nil {
			got = ""
			if s.RunAsUser != nil {
				got = text
			}
			got += "/" + name
		}
		if got != want {
			t.Errorf("%q: %q %v", text, got, err)
		}
	}
}

func TestNodesAreLabels(t *testing.T) {
	a, err := nodes([]string{"gpu", "kubernetes.io/arch=arm64"})
	if err != nil {
		t.Fatal(err)
	}
	m := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions
	if len(m) != 2 || m[0].Key != "gpu" || m[0].Operator != corev1.NodeSelectorOpExists || m[1].Values[0] != "arm64" {
		t.Errorf("%+v", m)
	}
	for _, bad := range []string{"two words", "", "a=b=c", "-x", strings.Repeat("a", 64)} {
		if _, err := nodes([]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestPullPolicy(t *testing.T) {
	for image, want := range map[string]corev1.PullPolicy{
		"busybox": corev1.PullIfNotPresent, v1alpha1.RegistryHost + "/default/ci:1": corev1.PullAlways,
		v1alpha1.RegistryHost + "/default/ci@sha256:00": corev1.PullIfNotPresent, v1alpha1.RegistryHost + "/system/toolbox:1": corev1.PullIfNotPresent,
	} {
		if got := pullPolicy(image, ""); got != want {
			t.Errorf("%s: %s", image, got)
		}
	}
}

func TestServiceStates(t *testing.T) {
	job := &plan.Job{Services: []plan.Service{
		{Image: plan.Image{Name: "docker:dind"}, Names: []string{"docker"}},
		{Image: plan.Image{Name: "a"}, Variables: []plan.Variable{{Name: "HEALTHCHECK_TCP_PORT", Value: "81"}}},
		{Image: plan.Image{Name: "b"}}, {Image: plan.Image{Name: "c"}},
	}}
	tr := &tekton.TaskRun{}
	tr.Status.Sidecars = []tekton.SidecarState{
		{Name: "service-1", ContainerState: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
		{Name: "service-2", ContainerState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}}},
	}
	got := serviceStates(job, tr)
	for i, want := range []string{wire.ServiceLeftOut, wire.ServiceRunning, wire.ServiceEnded, wire.ServiceWaiting} {
		if got[i].State != want {
			t.Errorf("%d: %+v", i, got[i])
		}
	}
	if len(got[1].Ports) != 1 || got[1].Ports[0] != 81 || !strings.Contains(got[2].Message, "exit code 3") {
		t.Errorf("%+v", got)
	}
}

// A service that crashed does not fail a job whose script succeeded.
func TestServicesDoNotDecide(t *testing.T) {
	tr := &tekton.TaskRun{}
	step := func(code int32) {
		tr.Status.Steps = []tekton.StepState{{ContainerState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}}}
	}
	if onlyServicesFailed(tr, "SidecarFailed") {
		t.Error("no step has ended")
	}
	step(0)
	if !onlyServicesFailed(tr, "SidecarFailed") || onlyServicesFailed(tr, "Failed") {
		t.Error("step 0")
	}
	if step(1); onlyServicesFailed(tr, "SidecarFailed") {
		t.Error("step 1")
	}
}
