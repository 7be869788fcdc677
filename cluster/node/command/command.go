// Package command owns the two Kubernetes node daemons as commands of our own
// binary: upstream's kubelet and kube-proxy, unchanged. It is apart from node so
// that nothing else links them. Start at Kubelet.
package command

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/google/cadvisor/lib/container/containerd"
	"github.com/spf13/cobra"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"slipway.dev/cluster/node/way"
)

// Kubelet is upstream's kubelet as the hidden verb `kubelet`. It parses its own
// flags. ctx ends it; signals are the caller's, as in upstream's main.
//
// CONTAINERD_ADDRESS, containerd's own variable, tells cAdvisor where containerd
// is: the kubelet has no flag for it any more. APISERVER_KUBECONFIG is the kubeconfig that the
// one of the flag is made from: it leads the same way, patiently.
func Kubelet(ctx context.Context, args []string) *cobra.Command {
	if address := os.Getenv("CONTAINERD_ADDRESS"); address != "" {
		*containerd.ArgContainerdEndpoint = address
	}
	c := hidden(kubelet.NewKubeletCommand(ctx), "kubelet")
	if from := os.Getenv("APISERVER_KUBECONFIG"); from != "" {
		c.PreRunE = func(*cobra.Command, []string) error {
			i := slices.Index(args, "--kubeconfig")
			if i < 0 || i+1 == len(args) {
				return errors.New("APISERVER_KUBECONFIG is given, and no --kubeconfig FILE to write")
			}
			return way.Open(ctx, from, args[i+1])
		}
	}
	return c
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
