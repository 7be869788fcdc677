package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"slipway.dev/cluster/reset"
	"slipway.dev/cluster/unit"
)

// resetVerb takes a server and all it made off this machine.
func resetVerb(c *user) *cobra.Command {
	var data bool
	dir := c.DataDir
	cmd := &cobra.Command{Use: "reset", Args: cobra.NoArgs, Short: "Stop everything on this machine and leave nothing of it behind", RunE: func(cmd *cobra.Command, _ []string) error {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		target, err := reset.Open(dir)
		if errors.Is(err, reset.ErrNothing) {
			fmt.Fprintln(cmd.OutOrStdout(), err)
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "stopping what runs on %s\n", dir)
		if err := target.Run(cmd.Context(), data); err != nil {
			return err
		}
		left, err := target.Left(cmd.Context())
		for _, thing := range left {
			fmt.Fprintln(cmd.OutOrStdout(), "left behind:", thing)
		}
		if err == nil && len(left) > 0 {
			err = errors.New("not everything could be taken away; try again")
		}
		return err
	}}
	cmd.Flags().StringVar(&dir, "data-dir", dir, "directory of everything that Slipway keeps")
	cmd.Flags().BoolVar(&data, "data", false, "remove the data too: repositories, images, metrics, logs, volumes")
	return cmd
}

func installVerb() *cobra.Command {
	return &cobra.Command{
		Use: "install [-- SERVER FLAGS]", Short: "Install the systemd unit that brings the server back after a reboot",
		Long: "Copies this binary to " + unit.Program + " and enables " + unit.Name + ". What follows -- is given to `slipway server`.",
		RunE: func(cmd *cobra.Command, args []string) error { return unit.Install(cmd.Context(), args) },
	}
}

func uninstallVerb() *cobra.Command {
	return &cobra.Command{Use: "uninstall", Short: "Stop and remove the systemd unit; data and workloads stay", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return unit.Uninstall(cmd.Context())
	}}
}
