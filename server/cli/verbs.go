package cli

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/cluster/kubectl"
	"slipway.dev/cluster/node/command"
	"slipway.dev/gitops/render"
	"slipway.dev/gitops/render/helm"
	"slipway.dev/observability/observe"
)

// serverVerbs concern the server and its machine.
func serverVerbs(c *user) []*cobra.Command {
	return []*cobra.Command{
		serverVerb(), statusVerb(c), versionVerb(c), demoVerb(c), benchVerb(), tokenVerb(c), loginLinkVerb(c), imageVerb(c), resetVerb(c), installVerb(), uninstallVerb(),
		handOver("kubectl", "Run kubectl on the cluster of this machine", func(_ context.Context, args []string) *cobra.Command {
			return kubectl.NewCommand(filepath.Join(c.DataDir, "pki", "admin.kubeconfig"), args)
		}),
	}
}

// hiddenVerbs are the daemons that the server starts of this binary itself.
func hiddenVerbs() []*cobra.Command {
	all := []*cobra.Command{
		handOver("kubelet", "", command.Kubelet),
		handOver("kube-proxy", "", func(context.Context, []string) *cobra.Command { return command.KubeProxy() }),
		render.Command(helm.Render), observeVerb(),
	}
	for _, v := range all {
		v.Hidden = true
	}
	return all
}

// handOver is a verb that gives everything behind it to another program's
// command, which is made only when it is asked for: it has hundreds of flags.
func handOver(use, short string, program func(ctx context.Context, args []string) *cobra.Command) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, DisableFlagParsing: true, RunE: func(cmd *cobra.Command, args []string) error {
		p := program(cmd.Context(), args)
		p.SetArgs(args)
		ended := make(chan error, 1)
		go func() { ended <- p.ExecuteContext(cmd.Context()) }()
		select {
		case err := <-ended:
			return err
		case <-cmd.Context().Done():
		}
		// Asked to stop: kube-proxy, for one, knows no other end than its process's.
		select {
		case err := <-ended:
			return err
		case <-time.After(2 * time.Second):
			return nil
		}
	}}
}

func observeVerb() *cobra.Command {
	file := ""
	cmd := &cobra.Command{Use: "observe", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return observe.Run(cmd.Context(), file, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	}}
	cmd.Flags().StringVar(&file, "config", "", "configuration, written by the server")
	return cmd
}
