package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func dashboardVerb(c *user) *cobra.Command {
	v := &cobra.Command{Use: "dashboard", Aliases: []string{"dashboards"}, Short: "Dashboards that ship, for Grafana"}
	v.AddCommand(
		&cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List dashboards", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			var answer struct {
				Items []struct{ Name, Title string }
			}
			if err := c.Call(cmd.Context(), "GET", "/api/v1/dashboards", nil, &answer); err != nil {
				return err
			}
			t := table{header: []string{"NAME", "TITLE"}}
			for _, d := range answer.Items {
				t.add(d.Name, d.Title)
			}
			return c.print(cmd.OutOrStdout(), answer.Items, t)
		}},
		&cobra.Command{
			Use: "get NAME", Short: "Print a dashboard as Grafana's JSON; app/NAME is one made from what an application exposes", Args: cobra.ExactArgs(1), Example: "  slipway dashboard get cluster >cluster.json",
			RunE: func(cmd *cobra.Command, args []string) error {
				path := "/api/v1/dashboards/" + args[0]
				if application, ok := strings.CutPrefix(args[0], "app/"); ok {
					path = c.Path("applications", application, "dashboard")
				}
				var d json.RawMessage
				if err := c.Call(cmd.Context(), "GET", path, nil, &d); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", d)
				return err
			},
		},
	)
	return v
}
