package boards

import (
	"log/slog"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"slipway.dev/observability/dashboard/stored"
)

func TestConfigMaps(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	store, err := stored.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c, recorder, changes := fake.NewClientBuilder().WithScheme(scheme).Build(), events.NewFakeRecorder(10), 0
	f := &ConfigMaps{Reader: c, Store: store, Events: recorder, Log: slog.New(slog.DiscardHandler), Changed: func() { changes++ }}
	on, off := map[string]string{"grafana_dashboard": "1"}, map[string]string{"other": "1"}
	for i, step := range []struct {
		what    string
		labels  map[string]string // nil: it is not there
		data    map[string]string
		uids    string
		changes int
		event   string
	}{
		{"no label", off, map[string]string{"a.json": board("a")}, "", 0, ""},
		{"labelled", on, map[string]string{"a.json": board("a"), "b.json": board("b"), "note": "no dashboard"}, "a b", 1, ""},
		{"one bad", on, map[string]string{"a.json": board("a"), "b.json": "{\n,"}, "a b", 0, "Warning BadDashboard configmap/m:2:1: b.json: invalid character ','"},
		{"bad still", on, map[string]string{"a.json": board("c"), "b.json": "{\n,"}, "c b", 1, ""},
		{"the key goes", on, map[string]string{"a.json": board("c")}, "c", 1, ""},
		{"no label again", off, map[string]string{"a.json": board("c")}, "", 1, ""},
		{"labelled again", on, map[string]string{"a.json": board("c")}, "c", 1, ""},
		{"gone", nil, nil, "", 1, ""},
	} {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "m"}}
		_ = client.IgnoreNotFound(c.Delete(t.Context(), cm.DeepCopy()))
		if step.labels != nil {
			if cm.Labels, cm.Data = step.labels, step.data; c.Create(t.Context(), cm) != nil {
				t.Fatal("not created")
			}
			for range i { // a version of its own, as in a cluster
				if err := c.Update(t.Context(), cm); err != nil {
					t.Fatal(err)
				}
			}
		}
		changes = 0
		for range 2 { // the second time there is nothing to do
			if _, err := f.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: "m"}}); err != nil {
				t.Fatal(err)
			}
		}
		var uids []string
		for _, k := range store.List("default") {
			if k.ConfigMap != "m" || k.Repository != "" {
				t.Errorf("%s: %+v", step.what, k)
			}
			uids = append(uids, k.UID)
		}
		if got := strings.Join(uids, " "); !sameWords(got, step.uids) || changes != step.changes {
			t.Errorf("%s: %q, %d changes", step.what, got, changes)
		}
		said := ""
		for len(recorder.Events) > 0 {
			said += <-recorder.Events
		}
		if !strings.HasPrefix(said, step.event) || step.event == "" && said != "" {
			t.Errorf("%s: event %q", step.what, said)
		}
	}
}

func sameWords(a, b string) bool {
	for _, w := range strings.Fields(a + " " + b) {
		if strings.Contains(" "+a+" ", " "+w+" ") != strings.Contains(" "+b+" ", " "+w+" ") {
			return false
		}
	}
	return true
}

func TestConfigMapsAreLookedAtWhenTheirLabelGoes(t *testing.T) {
	of := func(value string) *corev1.ConfigMap {
		cm := &corev1.ConfigMap{}
		if value != "" {
			cm.Labels = map[string]string{"grafana_dashboard": value}
		}
		return cm
	}
	p := marked()
	for _, tc := range []struct {
		before, after string
		want          bool
	}{{"1", "", true}, {"", "1", true}, {"1", "1", true}, {"", "", false}, {"0", "false", false}} {
		if got := p.Update(event.UpdateEvent{ObjectOld: of(tc.before), ObjectNew: of(tc.after)}); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
	if p.Create(event.CreateEvent{Object: of("")}) || !p.Create(event.CreateEvent{Object: of("1")}) || !p.Delete(event.DeleteEvent{Object: of("1")}) {
		t.Error("creation or deletion")
	}
}
