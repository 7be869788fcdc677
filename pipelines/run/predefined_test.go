package run

import (
	"regexp"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// TestAttemptVariables: addresses lead to the pages of the run, and all values are as they are.
func TestAttemptVariables(t *testing.T) {
	c := &Controller{Settings: Settings{ServerURL: "https://10.0.0.5:8443", ExternalURL: "https://ci.example.com/", CA: []byte("pem\n")}}
	run := &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-7"}, Spec: v1alpha1.RunSpec{Repository: "shop"}}
	job := &plan.Job{Name: "build: [a b, c&d]", ID: "build", When: plan.Manual, Timeout: metav1.Duration{Duration: 90 * time.Second}, Nodes: []string{"gpu"}}
	got := map[string]string{}
	for _, v := range c.attemptVariables(run, job, 2, "default/shop") {
		if !v.Raw || v.File != (v.Name == "CI_SERVER_TLS_CA_FILE") {
			t.Errorf("%+v", v)
		}
		got[v.Name] = v.Value
	}
	for name, want := range map[string]string{
		"CI_PIPELINE_URL": "https://ci.example.com/runs/default/shop-7", "CI_JOB_URL": "https://ci.example.com/runs/default/shop-7?job=build%3A+%5Ba+b%2C+c%26d%5D",
		"CI_JOB_ID": "shop-7-build-2", "CI_JOB_TIMEOUT": "90", "CI_PROJECT_DIR": "/builds/default/shop", "CI_RUNNER_TAGS": `["gpu"]`, "CI_JOB_MANUAL": "true",
		"CI_SERVER_TLS_CA_FILE": "pem\n", "SLIPWAY_ATTEMPT": "2",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, v := range c.tokenVariables(run, "tok.en") {
		got[v.Name] = v.Value
	}
	if at := got["CI_REPOSITORY_URL"]; at != "https://gitlab-ci-token:tok.en@10.0.0.5:8443/git/default/shop.git" {
		t.Errorf("repository %s", at)
	}
	if arch := got["CI_RUNNER_EXECUTABLE_ARCH"]; !regexp.MustCompile(`^linux/[a-z0-9]+$`).MatchString(arch) {
		t.Errorf("architecture %q", arch)
	}
}
