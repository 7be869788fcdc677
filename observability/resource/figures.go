package resource

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"slipway.dev/observability/selectors"
)

// use of a pod or a node: by container, or as a whole under the empty name.
type use struct {
	at          time.Time
	cpu, memory map[string]float64
}

// podFigures are by namespace/pod. Only containers of which both figures are known count:
// an autoscaler that took a missing one for zero would scale down what works.
func (h *Handler) podFigures(ctx context.Context, namespace, name string) (map[string]*use, error) {
	which := `job="cadvisor",container!="",` + selectors.Mine
	if namespace != "" {
		which += fmt.Sprintf(`,namespace=%q`, namespace)
	}
	if name != "" {
		which += fmt.Sprintf(`,pod=%q`, name)
	}
	return h.figures(ctx,
		fmt.Sprintf(`sum by (namespace, pod, container) (rate(container_cpu_usage_seconds_total{%s}[%s]))`, which, model.Duration(h.window())),
		fmt.Sprintf(`sum by (namespace, pod, container) (container_memory_working_set_bytes{%s})`, which),
		func(m model.Metric) (string, string) {
			return string(m["namespace"]) + "/" + string(m["pod"]), string(m["container"])
		})
}

func (h *Handler) nodeFigures(ctx context.Context) (map[string]*use, error) {
	return h.figures(ctx,
		fmt.Sprintf(`sum by (node) (rate(node_cpu_usage_seconds_total{job="kubelet-resource",%s}[%s]))`, selectors.Mine, model.Duration(h.window())),
		fmt.Sprintf(`sum by (node) (node_memory_working_set_bytes{job="kubelet-resource",%s})`, selectors.Mine),
		func(m model.Metric) (string, string) { return string(m["node"]), "" })
}

func (h *Handler) figures(ctx context.Context, cpu, memory string, of func(model.Metric) (owner, container string)) (map[string]*use, error) {
	all := map[string]*use{}
	for query, into := range map[string]func(*use) map[string]float64{
		cpu: func(u *use) map[string]float64 { return u.cpu }, memory: func(u *use) map[string]float64 { return u.memory },
	} {
		v, err := h.Query(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		for _, s := range v {
			owner, container := of(s.Metric)
			if all[owner] == nil {
				all[owner] = &use{s.Timestamp.Time(), map[string]float64{}, map[string]float64{}}
			}
			into(all[owner])[container] = float64(s.Value)
		}
	}
	for owner, u := range all {
		for c := range u.cpu {
			if _, ok := u.memory[c]; !ok || math.IsNaN(u.cpu[c]) {
				delete(u.cpu, c)
			}
		}
		if len(u.cpu) == 0 {
			delete(all, owner)
		}
	}
	return all, nil
}

func list(cpu, memory float64) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewScaledQuantity(int64(cpu*1e9), resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(int64(memory), resource.BinarySI),
	}
}

func (u *use) total() corev1.ResourceList { return list(u.cpu[""], u.memory[""]) }

func (u *use) containers() []metrics.ContainerMetrics {
	var out []metrics.ContainerMetrics
	for c, cpu := range u.cpu {
		out = append(out, metrics.ContainerMetrics{Name: c, Usage: list(cpu, u.memory[c])})
	}
	slices.SortFunc(out, func(a, b metrics.ContainerMetrics) int { return strings.Compare(a.Name, b.Name) })
	return out
}
