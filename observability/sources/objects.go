package sources

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kube-state-metrics/v2/pkg/allowdenylist"
	"k8s.io/kube-state-metrics/v2/pkg/builder"
	metricsstore "k8s.io/kube-state-metrics/v2/pkg/metrics_store"
	"k8s.io/kube-state-metrics/v2/pkg/options"
)

// resources whose state is told.
var resources = []string{
	"cronjobs", "daemonsets", "deployments", "horizontalpodautoscalers", "jobs", "namespaces", "nodes",
	"persistentvolumeclaims", "poddisruptionbudgets", "pods", "replicasets", "resourcequotas", "statefulsets",
}

// told are the families that dashboards and rules use; kube-state-metrics has four times
// as many, most of them of every pod.
var told = []string{
	"kube_cronjob_(info|next_schedule_time|spec_suspend|status_active|status_last_schedule_time)",
	"kube_(daemonset|deployment|job|statefulset|persistentvolumeclaim)_labels",
	"kube_daemonset_status_(current_number_scheduled|desired_number_scheduled|number_available|number_misscheduled|number_ready|number_unavailable|updated_number_scheduled)",
	"kube_deployment_(metadata_generation|spec_paused|spec_replicas|status_condition|status_observed_generation|status_replicas.*)",
	"kube_horizontalpodautoscaler_(spec_max_replicas|spec_min_replicas|status_condition|status_current_replicas|status_desired_replicas)",
	"kube_job_(complete|failed|info|owner|spec_completions|status_active|status_failed|status_start_time|status_succeeded)",
	"kube_namespace_(created|status_phase)",
	"kube_node_(info|role|spec_unschedulable|spec_taint|status_allocatable|status_capacity|status_condition)",
	"kube_persistentvolumeclaim_(info|resource_requests_storage_bytes|status_phase)",
	"kube_poddisruptionbudget_status_(current_healthy|desired_healthy|pod_disruptions_allowed)",
	"kube_pod_(info|labels|owner|created|start_time|status_phase|status_ready|status_unschedulable)",
	"kube_pod_container_(info|resource_limits|resource_requests|status_ready|status_restarts_total|status_running|status_terminated_reason|status_last_terminated_reason|status_waiting_reason)",
	"kube_replicaset_owner",
	"kube_resourcequota",
	"kube_statefulset_(metadata_generation|replicas|status_current_revision|status_observed_generation|status_replicas.*|status_update_revision)",
}

// Objects watches the cluster until ctx ends and answers with the state of its objects,
// in kube-state-metrics' series. Labels of ours go to kube_pod_labels.
func Objects(ctx context.Context, client kubernetes.Interface, log *slog.Logger) (http.Handler, error) {
	families := map[string]struct{}{}
	for _, f := range told {
		families["^"+f+"$"] = struct{}{}
	}
	filter, err := allowdenylist.New(families, nil)
	if err == nil {
		err = filter.Parse()
	}
	if err != nil {
		return nil, fmt.Errorf("state of objects: %w", err)
	}
	b := builder.NewBuilder()
	b.WithContext(ctx)
	b.WithMetrics(prometheus.NewRegistry())
	b.WithKubeClient(client)
	b.WithNamespaces(options.DefaultNamespaces)
	b.WithSharding(0, 1)
	b.WithUsingAPIServerCache(true)
	b.WithFamilyGeneratorFilter(filter)
	b.WithGenerateStoresFunc(b.DefaultGenerateStoresFunc())
	if err := b.WithEnabledResources(resources); err != nil {
		return nil, fmt.Errorf("state of objects: %w", err)
	}
	ours := map[string][]string{}
	for _, r := range []string{"daemonsets", "deployments", "jobs", "persistentvolumeclaims", "pods", "statefulsets"} {
		ours[r] = []string{"slipway.dev/application", "slipway.dev/release", "slipway.dev/run", "slipway.dev/job"}
	}
	if err := b.WithAllowLabels(ours); err != nil {
		return nil, fmt.Errorf("state of objects: %w", err)
	}
	writers := metricsstore.SanitizeHeaders(expfmt.NewFormat(expfmt.TypeTextPlain), b.Build())
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
		for _, writer := range writers {
			if err := writer.WriteAll(w); err != nil {
				log.Debug("state of objects", "err", err)
				return
			}
		}
	}), nil
}
