package engine

import (
	"io/fs"
	"testing"

	"github.com/tektoncd/pipeline/pkg/apis/config"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestCRDsHaveOneVersionAndNoWebhook(t *testing.T) {
	files, err := fs.Glob(CRDs, "crds/*.yaml")
	if err != nil || len(files) != 8 {
		t.Fatalf("files %v, err %v", files, err)
	}
	for _, f := range files {
		data, err := CRDs.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(data, &crd); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if n := len(crd.Spec.Versions); n != 1 || !crd.Spec.Versions[0].Storage || crd.Spec.Conversion != nil {
			t.Errorf("%s: %d versions, conversion %v", f, n, crd.Spec.Conversion)
		}
	}
}

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
