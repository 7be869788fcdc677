package engine

import (
	"testing"

	"github.com/tektoncd/pipeline/pkg/apis/config"
	corev1 "k8s.io/api/core/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestSettingsAreUnderstoodByTekton(t *testing.T) {
	w := watcher(v1alpha1.SystemNamespace, false)
	var flags *config.FeatureFlags
	w.Watch(config.GetFeatureFlagsConfigName(), func(cm *corev1.ConfigMap) {
		var err error
		if flags, err = config.NewFeatureFlagsFromConfigMap(cm); err != nil {
			t.Fatal(err)
		}
	})
	if flags.RunningInEnvWithInjectedSidecars || flags.Coschedule != config.CoscheduleDisabled || !flags.DisableCredsInit {
		t.Errorf("flags %+v", flags)
	}
	w.Watch(config.GetDefaultsConfigName(), func(cm *corev1.ConfigMap) {
		d, err := config.NewDefaultsFromConfigMap(cm)
		if err != nil {
			t.Fatal(err)
		}
		if d.DefaultServiceAccount != JobServiceAccount {
			t.Errorf("service account %q", d.DefaultServiceAccount)
		}
	})
	for _, name := range []string{config.GetMetricsConfigName(), config.GetSpireConfigName(), config.GetEventsConfigName(),
		config.GetTracingConfigName(), config.GetWaitExponentialBackoffConfigName()} {
		w.Watch(name, func(*corev1.ConfigMap) {})
	}
}
