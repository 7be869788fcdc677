package resource

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func sampleOf(v float64, pairs ...string) *model.Sample {
	m := model.Metric{}
	for i := 0; i < len(pairs); i += 2 {
		m[model.LabelName(pairs[i])] = model.LabelValue(pairs[i+1])
	}
	return &model.Sample{Metric: m, Value: model.SampleValue(v), Timestamp: model.Time(1_700_000_000_000)}
}

func newHandler(asked *[]string) *Handler {
	pod := func(ns, name, app string) client.Object {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"app": app}}}
	}
	return &Handler{
		Interval: 30 * time.Second,
		Reader: fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(
			pod("shop", "web-1", "web"), pod("shop", "db-1", "db"), pod("shop", "new-1", "web"), pod("bank", "web-1", "web"),
			&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "quiet"}},
		).Build(),
		Query: func(_ context.Context, q string) (model.Vector, error) {
			*asked = append(*asked, q)
			switch {
			case strings.Contains(q, "node_cpu"):
				return model.Vector{sampleOf(1.5, "node", "n1")}, nil
			case strings.Contains(q, "node_memory"):
				return model.Vector{sampleOf(1<<30, "node", "n1")}, nil
			case strings.Contains(q, "cpu"):
				return model.Vector{
					sampleOf(0.25, "namespace", "shop", "pod", "web-1", "container", "web"), sampleOf(0.125, "namespace", "shop", "pod", "web-1", "container", "side"),
					sampleOf(2, "namespace", "shop", "pod", "db-1", "container", "db"), sampleOf(3, "namespace", "bank", "pod", "web-1", "container", "web"),
				}, nil
			}
			return model.Vector{ // new-1 has no figure of CPU yet
				sampleOf(100, "namespace", "shop", "pod", "web-1", "container", "web"), sampleOf(50, "namespace", "shop", "pod", "web-1", "container", "side"),
				sampleOf(7, "namespace", "shop", "pod", "db-1", "container", "db"), sampleOf(9, "namespace", "bank", "pod", "web-1", "container", "web"),
				sampleOf(5, "namespace", "shop", "pod", "new-1", "container", "web"),
			}, nil
		},
	}
}

func TestAPI(t *testing.T) {
	const base = "/apis/metrics.k8s.io"
	for _, c := range []struct {
		path string
		code int
		want string // names of the items, or a piece of the answer
	}{
		{base, 200, `"kind":"APIGroup"`},
		{base + "/v1beta1", 200, `"name":"pods"`},
		{base + "/v1beta1/pods", 200, "bank/web-1 shop/db-1 shop/web-1"},
		{base + "/v1beta1/namespaces/shop/pods", 200, "shop/db-1 shop/web-1"},
		{base + "/v1beta1/namespaces/shop/pods?labelSelector=app%3Dweb", 200, "shop/web-1"},
		{base + "/v1beta1/namespaces/shop/pods/web-1", 200, `"name":"side","usage":{"cpu":"125m","memory":"50"}`},
		{base + "/v1beta1/namespaces/shop/pods/new-1", 404, `"reason":"NotFound"`},
		{base + "/v1beta1/namespaces/shop/pods?labelSelector=)", 400, "labelSelector"},
		{base + "/v1beta1/nodes", 200, "/n1"},
		{base + "/v1beta1/nodes/n1", 200, `"usage":{"cpu":"1500m","memory":"1Gi"}`},
		{base + "/v1beta1/nodes/quiet", 404, `"reason":"NotFound"`},
		{base + "/v2/pods", 404, `"kind":"Status"`},
		{"/api/v1/secrets", 404, `"kind":"Status"`},
	} {
		var asked []string
		w := httptest.NewRecorder()
		newHandler(&asked).ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
		got := w.Body.String()
		var list metrics.PodMetricsList
		if err := json.Unmarshal(w.Body.Bytes(), &list); err == nil && list.Items != nil {
			var names []string
			for _, p := range list.Items {
				names = append(names, p.Namespace+"/"+p.Name)
			}
			got = strings.Join(names, " ")
		}
		if w.Code != c.code || !strings.Contains(got, c.want) || strings.Contains(got, "new-1 ") {
			t.Errorf("%s: %d %s, want %d %s", c.path, w.Code, got, c.code, c.want)
		}
	}
}

// A name from a path stays a string of the query.
func TestNamesDoNotEscapeIntoTheQuery(t *testing.T) {
	var asked []string
	w := httptest.NewRecorder()
	newHandler(&asked).ServeHTTP(w, httptest.NewRequest("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/x%22%7D%20or%20secret%7Ba=%22/pods", nil))
	for _, q := range asked {
		if !strings.Contains(q, `namespace="x\"} or secret{a=\""`) {
			t.Errorf("asked %s", q)
		}
	}
	if len(asked) != 2 {
		t.Errorf("asked %q", asked)
	}
}
