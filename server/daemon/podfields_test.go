package daemon

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/observability/logs"
)

// TestPodFields has on the lines of a pod what links to them ask for.
func TestPodFields(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, slipway.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	named := func(name string, labels map[string]string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels}
	}
	app := &slipway.Application{ObjectMeta: named("shop", nil)}
	app.Status.Current = 3
	release := &slipway.Release{ObjectMeta: named("shop-3", nil)}
	release.Spec.Desired.Commit = "c3"
	run := &slipway.Run{ObjectMeta: named("shop-12", nil)}
	run.Spec.Commit = "c12"
	pod := func(name string, labels map[string]string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: named(name, labels), Spec: corev1.PodSpec{NodeName: "n"}}
	}
	objects := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app, release, run,
		pod("deployed", map[string]string{slipway.LabelApplication: "shop"}),
		pod("job", map[string]string{slipway.LabelRun: "shop-12", slipway.LabelJob: "unit"}),
		pod("other", nil),
	).Build()
	for name, want := range map[string]map[string]string{
		"deployed": {"node": "n", "application": "shop", "release": "shop-3", "commit": "c3", "labels.slipway.dev/application": "shop"},
		"job":      {"node": "n", "run": "shop-12", "job": "unit", "commit": "c12", "labels.slipway.dev/run": "shop-12", "labels.slipway.dev/job": "unit"},
		"other":    {"node": "n"},
		"gone":     nil,
	} {
		if got := podFields(t.Context(), objects, "default", name); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestPodLabelsAreBounded: what is too much of them is named.
func TestPodLabelsAreBounded(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{strings.Repeat("d", 100) + "." + strings.Repeat("d", 100) + "/long": "v"}
	for i := range maxLabels + 3 {
		labels[fmt.Sprintf("label-%03d", i)] = "v"
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "many", Labels: labels}}
	got := podFields(t.Context(), fake.NewClientBuilder().WithScheme(scheme).WithObjects(pod).Build(), "default", "many")
	kept := 0
	for name := range got {
		if strings.HasPrefix(name, "labels.") {
			kept++
		}
	}
	if kept != maxLabels || !strings.HasSuffix(got[logs.LeftOut], "/long label-032 label-033 label-034") {
		t.Errorf("%d labels, left out %q", kept, got[logs.LeftOut])
	}
}
