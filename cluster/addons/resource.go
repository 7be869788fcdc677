package addons

import (
	"context"
	"encoding/base64"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	kube "slipway.dev/cluster/client"
)

// serverService is the name by which the API server reaches the server's own API, which
// the certificate of the front door is for.
const serverService = "slipway"

// ResourceMetrics tells the API server that metrics.k8s.io is answered at a port of this
// machine's loopback, with a certificate of the authority ca.
func ResourceMetrics(ctx context.Context, c client.Client, port int, ca []byte) error {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: serverService},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}
	if err := apply(ctx, c, service); err != nil {
		return fmt.Errorf("metrics.k8s.io: %w", err)
	}
	registration := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{"name": "v1beta1.metrics.k8s.io"},
		"spec": map[string]any{
			"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": int64(100), "versionPriority": int64(100),
			"service":  map[string]any{"namespace": v1alpha1.SystemNamespace, "name": serverService, "port": int64(port)},
			"caBundle": base64.StdEncoding.EncodeToString(ca),
		},
	}}
	err := kube.Retry(ctx, func() error {
		return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(registration), client.FieldOwner(kube.FieldManager), client.ForceOwnership)
	})
	if err != nil {
		return fmt.Errorf("metrics.k8s.io: %w", err)
	}
	return nil
}
