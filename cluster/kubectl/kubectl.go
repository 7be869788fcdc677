// Package kubectl owns `slipway kubectl`: upstream's kubectl, pointed at the cluster of
// this machine unless a kubeconfig is given. It never adds verbs of its own.
// Start at NewCommand.
package kubectl

import (
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/plugin"
	"k8s.io/utils/ptr"
)

// NewCommand is kubectl with that kubeconfig, unless --kubeconfig or KUBECONFIG name
// another. Add it under a parent; args are what follows "kubectl" on the command line.
func NewCommand(kubeconfig string, args []string) *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag().WithDiscoveryBurst(300).WithDiscoveryQPS(50)
	if os.Getenv("KUBECONFIG") == "" {
		flags.KubeConfig = ptr.To(kubeconfig)
	}
	c := cmd.NewDefaultKubectlCommandWithArgs(cmd.KubectlOptions{
		PluginHandler: cmd.NewDefaultPluginHandler(plugin.ValidPluginFilenamePrefixes),
		Arguments:     append([]string{"kubectl"}, args...),
		ConfigFlags:   flags,
		IOStreams:     genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
	})
	c.Use = "kubectl"
	c.Short = "Run kubectl on the cluster of this machine"
	return c
}
