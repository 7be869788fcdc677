// Package client owns how Slipway talks to Kubernetes: the one scheme, the one factory
// of client configurations and clients, the helpers for conditions and for retrying.
// It never caches; caches belong to the manager of the server process.
//
// Start at Load and New.
package client

import (
	"fmt"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// FieldManager is the name under which Slipway's own parts apply objects.
const FieldManager = "slipway"

// Scheme knows the kinds of Kubernetes, Slipway and Tekton.
var Scheme = newScheme()

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme, pipelinev1.AddToScheme,
	} {
		utilruntime.Must(add(s))
	}
	return s
}

// Load reads a kubeconfig file for the part of that name. There is no limit of requests
// on this side: the API server's priority and fairness shares them out.
func Load(kubeconfig, part string) (*rest.Config, error) {
	c, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	c.QPS, c.Burst = -1, 0
	c.UserAgent = "slipway/" + part
	return c, nil
}

// Impersonate is the same server seen as a service account.
func Impersonate(c *rest.Config, namespace, serviceAccount string) *rest.Config {
	c = rest.CopyConfig(c)
	c.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + serviceAccount}
	return c
}

// New is a client without a cache that can also watch.
func New(c *rest.Config) (client.WithWatch, error) {
	w, err := client.NewWithWatch(c, client.Options{Scheme: Scheme})
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", c.Host, err)
	}
	return w, nil
}
