// Package resource owns the resource metrics API (metrics.k8s.io): what pods and nodes
// use of CPU and memory now, for `kubectl top` and the HorizontalPodAutoscaler. The
// figures are those that Prometheus has scraped from the kubelets anyway, so that the
// API costs nothing while nobody asks. It never authorises: the API server has done so
// before it passes a request on, and nobody else reaches the handler.
//
// Start at Handler; figures.go is the queries.
package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Group and Version of the API.
const (
	Group   = "metrics.k8s.io"
	Version = "v1beta1"
)

// Handler serves the API below /apis/metrics.k8s.io.
type Handler struct {
	// Query asks Prometheus for a vector, of all namespaces.
	Query func(ctx context.Context, promql string) (model.Vector, error)
	// Reader knows pods and nodes with their labels.
	Reader client.Reader
	// Interval between two scrapes of a kubelet.
	Interval time.Duration
}

// window over which use of CPU is averaged: long enough for two samples at the least.
func (h *Handler) window() time.Duration { return max(4*h.Interval, time.Minute) }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		write(w, http.StatusMethodNotAllowed, status(apierrors.NewMethodNotSupported(schema.GroupResource{Group: Group}, r.Method)))
		return
	}
	answer, err := h.answer(r)
	if err != nil {
		s := status(err)
		write(w, int(s.Code), s)
		return
	}
	write(w, http.StatusOK, answer)
}

func (h *Handler) answer(r *http.Request) (any, error) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/apis/"+Group)
	parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case !ok:
		return nil, notFound(r.URL.Path)
	case rest == "":
		return group(), nil
	case parts[0] != Version:
		return nil, notFound(r.URL.Path)
	case len(parts) == 1:
		return resources(), nil
	case len(parts) == 2 && parts[1] == "nodes":
		return h.nodes(r, "")
	case len(parts) == 3 && parts[1] == "nodes":
		return h.nodes(r, parts[2])
	case len(parts) == 2 && parts[1] == "pods":
		return h.pods(r, "", "")
	case len(parts) == 4 && parts[1] == "namespaces" && parts[3] == "pods":
		return h.pods(r, parts[2], "")
	case len(parts) == 5 && parts[1] == "namespaces" && parts[3] == "pods":
		return h.pods(r, parts[2], parts[4])
	}
	return nil, notFound(r.URL.Path)
}

func notFound(path string) error {
	return apierrors.NewGenericServerResponse(http.StatusNotFound, "get", schema.GroupResource{Group: Group}, path, "", 0, false)
}

// selector of a list; only labels can be selected by.
func selector(r *http.Request) (labels.Selector, error) {
	s, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("labelSelector: %v", err))
	}
	return s, nil
}

func (h *Handler) pods(r *http.Request, namespace, name string) (any, error) {
	s, err := selector(r)
	if err != nil {
		return nil, err
	}
	var pods corev1.PodList
	if err := h.Reader.List(r.Context(), &pods, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: s}); err != nil {
		return nil, err
	}
	used, err := h.podFigures(r.Context(), namespace, name)
	if err != nil {
		return nil, err
	}
	list := metrics.PodMetricsList{TypeMeta: kind("PodMetricsList"), Items: []metrics.PodMetrics{}}
	for i := range pods.Items {
		p := &pods.Items[i]
		u := used[p.Namespace+"/"+p.Name]
		if u == nil || name != "" && p.Name != name {
			continue // it has just started, or is over
		}
		list.Items = append(list.Items, metrics.PodMetrics{
			TypeMeta:   kind("PodMetrics"),
			ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Labels: p.Labels, CreationTimestamp: metav1.NewTime(u.at)},
			Timestamp:  metav1.NewTime(u.at), Window: metav1.Duration{Duration: h.window()}, Containers: u.containers(),
		})
	}
	if name == "" {
		return list, nil
	}
	if len(list.Items) == 0 {
		return nil, apierrors.NewNotFound(schema.GroupResource{Group: Group, Resource: "pods"}, name)
	}
	return list.Items[0], nil
}

func (h *Handler) nodes(r *http.Request, name string) (any, error) {
	s, err := selector(r)
	if err != nil {
		return nil, err
	}
	var nodes corev1.NodeList
	if err := h.Reader.List(r.Context(), &nodes, client.MatchingLabelsSelector{Selector: s}); err != nil {
		return nil, err
	}
	used, err := h.nodeFigures(r.Context())
	if err != nil {
		return nil, err
	}
	list := metrics.NodeMetricsList{TypeMeta: kind("NodeMetricsList"), Items: []metrics.NodeMetrics{}}
	for i := range nodes.Items {
		n := &nodes.Items[i]
		u := used[n.Name]
		if u == nil || name != "" && n.Name != name {
			continue
		}
		list.Items = append(list.Items, metrics.NodeMetrics{
			TypeMeta:   kind("NodeMetrics"),
			ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels, CreationTimestamp: metav1.NewTime(u.at)},
			Timestamp:  metav1.NewTime(u.at), Window: metav1.Duration{Duration: h.window()}, Usage: u.total(),
		})
	}
	if name == "" {
		return list, nil
	}
	if len(list.Items) == 0 {
		return nil, apierrors.NewNotFound(schema.GroupResource{Group: Group, Resource: "nodes"}, name)
	}
	return list.Items[0], nil
}

func kind(name string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: Group + "/" + Version, Kind: name}
}

func group() metav1.APIGroup {
	v := metav1.GroupVersionForDiscovery{GroupVersion: Group + "/" + Version, Version: Version}
	return metav1.APIGroup{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIGroup"}, Name: Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v}
}

func resources() metav1.APIResourceList {
	verbs := metav1.Verbs{"get", "list"}
	return metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"}, GroupVersion: Group + "/" + Version,
		APIResources: []metav1.APIResource{
			{Name: "nodes", Kind: "NodeMetrics", Verbs: verbs},
			{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: verbs},
		},
	}
}

func status(err error) metav1.Status {
	var s apierrors.APIStatus
	if !errors.As(err, &s) {
		s = apierrors.NewServiceUnavailable(err.Error())
	}
	out := s.Status()
	out.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return out
}

func write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the caller is gone when this fails
}
