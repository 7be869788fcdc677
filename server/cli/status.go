package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/server/api"
)

type statusAnswer struct {
	Ready      bool            `json:"ready"`
	Components []api.Component `json:"components"`
}

func statusVerb(c *client) *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{Use: "status", Short: "What runs, what does not, and why", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		s, err := c.status(cmd.Context())
		if wait {
			s, err = c.waitReady(cmd.Context(), timeout)
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

func (c *client) status(ctx context.Context) (*statusAnswer, error) {
	var s statusAnswer
	return &s, c.call(ctx, "GET", "/api/v1/status", nil, &s)
}

// waitReady asks until every component is ready. There is no event to wait
// for: the server may not have begun to listen.
func (c *client) waitReady(ctx context.Context, timeout time.Duration) (*statusAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := c.status(ctx)
		if err == nil && s.Ready {
			return s, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("not ready: %s", missing(s))
			}
			return nil, fmt.Errorf("gave up after %s: %w", timeout, err)
		}
	}
}

func missing(s *statusAnswer) string {
	text := ""
	for _, k := range s.Components {
		if !k.Ready {
			text += fmt.Sprintf("%s (%s) ", k.Name, k.Message)
		}
	}
	return text
}
