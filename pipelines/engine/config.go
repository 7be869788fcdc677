package engine

import (
	"github.com/tektoncd/pipeline/pkg/apis/config"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/configmap"
)

// JobServiceAccount is what pods run as where a TaskRun names none. It has no rights.
const JobServiceAccount = "slipway-job"

// watcher answers Tekton's questions about its ConfigMaps from memory, so that the
// settings are part of this program and nobody can change them in the cluster.
func watcher(namespace string, upstream bool) configmap.Watcher {
	settings := map[string]map[string]string{
		config.GetDefaultsConfigName(): {
			"default-service-account":        JobServiceAccount,
			"default-timeout-minutes":        "60",
			"default-managed-by-label-value": "slipway",
		},
		config.GetFeatureFlagsConfigName(): {
			// A pod is started at once, not after a look at sidecars that nobody injects.
			"running-in-environment-with-injected-sidecars": "false",
			"await-sidecar-readiness":                       "false",
			"coschedule":                                    "disabled",
			"results-from":                                  "termination-message",
			"set-security-context":                          "false",
			"disable-creds-init":                            "true",
			"send-cloudevents-for-runs":                     "false",
			"enable-provenance-in-status":                   "false",
		},
		config.GetMetricsConfigName():                {},
		config.GetSpireConfigName():                  {},
		config.GetEventsConfigName():                 {},
		config.GetTracingConfigName():                {"enabled": "false"},
		config.GetWaitExponentialBackoffConfigName(): {},
	}
	if upstream {
		settings[config.GetFeatureFlagsConfigName()] = map[string]string{}
	}
	maps := make([]*corev1.ConfigMap, 0, len(settings))
	for name, data := range settings {
		maps = append(maps, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Data: data})
	}
	return configmap.NewStaticWatcher(maps...)
}
