// Package command owns the two Kubernetes node daemons as commands of our own
// binary: upstream's kubelet and kube-proxy, unchanged. It is apart from node so
// that nothing else links them. Start at Kubelet.
package command

import (
	"context"
	"os"

	"github.com/google/cadvisor/lib/container/containerd"
	"github.com/spf13/cobra"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// Kubelet is upstream's kubelet as the hidden verb `kubelet`. It parses its own
// flags. ctx ends it; signals are the caller's, as in upstream's main.
//
// CONTAINERD_ADDRESS, containerd's own variable, tells cAdvisor where containerd
// is: the kubelet has no flag for it any more.
func Kubelet(ctx context.Context) *cobra.Command {
	if address := os.Getenv("CONTAINERD_ADDRESS"); address != "" {
		*containerd.ArgContainerdEndpoint = address
	}
	return hidden(kubelet.NewKubeletCommand(ctx), "kubelet")
}

// KubeProxy is upstream's kube-proxy as the hidden verb `kube-proxy`.
func KubeProxy() *cobra.Command {
	return hidden(proxy.NewProxyCommand(), "kube-proxy")
}

func hidden(c *cobra.Command, use string) *cobra.Command {
	c.Use = use
	c.Hidden = true
	return c
}
