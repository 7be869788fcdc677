package sources

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestNodeTellsAboutThisMachine(t *testing.T) {
	h, err := Node("/var/lib/slipway", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, name := range []string{"node_cpu_seconds_total{", "node_memory_MemAvailable_bytes ", "node_filesystem_avail_bytes{", "node_load1 ", "node_uname_info{"} {
		if !strings.Contains(w.Body.String(), "\n"+name) {
			t.Errorf("no %s", name)
		}
	}
	if n := strings.Count(w.Body.String(), "\n"); n > 2000 {
		t.Errorf("%d lines: a machine has not so much to tell", n)
	}
}

func TestObjectsTellTheirState(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := fake.NewClientset(
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{"slipway.dev/application": "web", "secret": "planted"}}, Status: corev1.PodStatus{Phase: corev1.PodRunning}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Status: appsv1.DeploymentStatus{Replicas: 3}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "planted"}},
	)
	h, err := Objects(ctx, client, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`kube_pod_labels{namespace="shop",pod="web-1",uid="",label_slipway_dev_application="web"} 1`,
		`kube_deployment_status_replicas{namespace="shop",deployment="web"} 3`,
		`kube_pod_status_phase{namespace="shop",pod="web-1",uid="",phase="Running"} 1`,
	}
	deadline := time.Now().Add(2 * time.Minute)
	for {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		body := w.Body.String()
		missing := ""
		for _, line := range want {
			if !strings.Contains(body, line+"\n") {
				missing = line
			}
		}
		if missing == "" {
			if strings.Contains(body, "planted") {
				t.Errorf("a label or an object that nobody asked for is told: %s", body)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s in %s", missing, body)
		}
		<-time.After(20 * time.Millisecond)
	}
}
