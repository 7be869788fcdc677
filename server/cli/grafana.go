package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/observability/grafana"
)

func grafanaVerb(c *user) *cobra.Command {
	v := &cobra.Command{Use: "grafana", Short: "The Grafana that gets dashboards and data sources (administrators)"}
	show := func(cmd *cobra.Command, s grafana.Status) error {
		passed := "never"
		if !s.Passed.IsZero() {
			passed = s.Passed.Local().Format(time.DateTime)
		}
		t := table{header: []string{"URL", "DASHBOARDS", "IN ORDER", "KEPT AS EDITED", "PROBLEM"}}
		if s.Removed {
			passed = "removed"
		}
		t.add(s.URL, fmt.Sprint(s.Dashboards), passed, strings.Join(s.Kept, ", "), s.Problem)
		return c.print(cmd.OutOrStdout(), s, t)
	}
	var edited bool
	remove := &cobra.Command{
		Use: "remove", Args: cobra.NoArgs, Short: "Take folders, data sources and dashboards of Slipway's out of it, and nothing else",
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/api/v1/grafana"
			if edited {
				path += "?edited=true"
			}
			var answer struct{ Left []string }
			if err := c.Call(cmd.Context(), "DELETE", path, nil, &answer); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "removed; `slipway grafana sync` provisions it again")
			if len(answer.Left) > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "left, as people edited them: %s\n", strings.Join(answer.Left, ", "))
			}
			return nil
		},
	}
	remove.Flags().BoolVar(&edited, "edited", false, "dashboards that people edited too")
	v.AddCommand(remove,
		&cobra.Command{Use: "status", Args: cobra.NoArgs, Short: "When it was in order last, and what is not", RunE: func(cmd *cobra.Command, _ []string) error {
			var s grafana.Status
			if err := c.Call(cmd.Context(), "GET", "/api/v1/grafana", nil, &s); err != nil {
				return err
			}
			return show(cmd, s)
		}},
		&cobra.Command{Use: "sync", Args: cobra.NoArgs, Short: "Put everything right now", RunE: func(cmd *cobra.Command, _ []string) error {
			var s grafana.Status
			if err := c.Call(cmd.Context(), "POST", "/api/v1/grafana/sync", nil, &s); err != nil {
				return err
			}
			return show(cmd, s)
		}},
	)
	return v
}
