package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/server/client"
)

func statusVerb(c *user) *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{Use: "status", Short: "What runs, what does not, and why", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var s *client.Status
		var err error
		if wait {
			say := told(cmd.ErrOrStderr())
			s, err = c.WaitReady(cmd.Context(), timeout, func(missing string) { say("waiting: %s", missing) })
		} else {
			s, err = c.Status(cmd.Context())
		}
		if err != nil {
			return err
		}
		t := table{header: []string{"COMPONENT", "READY", "MESSAGE", "SINCE"}, wide: 1}
		for _, k := range s.Components {
			t.add(k.Name, fmt.Sprint(k.Ready), k.Message, k.Since)
		}
		if err := c.print(cmd.OutOrStdout(), s, t); err != nil {
			return err
		}
		if !s.Ready {
			return errSilent
		}
		return nil
	}}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until everything is ready")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait")
	return cmd
}
