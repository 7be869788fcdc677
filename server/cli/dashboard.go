package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"slipway.dev/server/api"
)

func dashboardVerb(c *user) *cobra.Command {
	v := &cobra.Command{Use: "dashboard", Aliases: []string{"dashboards"}, Short: "Dashboards that ship, of repositories, ConfigMaps and applications"}
	v.AddCommand(dashboardList(c), dashboardGet(c), dashboardCheck())
	return v
}

func dashboardList(c *user) *cobra.Command {
	var source string
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List dashboards, and what is wrong with those of repositories", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer struct {
				Items    []api.Dashboard
				Problems []api.DashboardProblem
			}
			if err := c.Call(cmd.Context(), "GET", "/api/v1/dashboards?source="+url.QueryEscape(source), nil, &answer); err != nil {
				return err
			}
			t := table{header: []string{"NAME", "SOURCE", "NAMESPACE", "REPOSITORY", "FILE", "TITLE"}}
			for _, d := range answer.Items {
				t.add(d.Name, d.Source, d.Namespace, d.Repository, printable(d.File), printable(d.Title))
			}
			err := c.print(cmd.OutOrStdout(), answer.Items, t)
			for _, p := range answer.Problems {
				where := "namespace " + p.Namespace
				if p.Repository != "" {
					where = "repository " + p.Namespace + "/" + p.Repository
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", where, printable(p.Error()))
			}
			return err
		},
	}
	list.Flags().StringVar(&source, "source", "", "only those of: shipped, repository, configmap, application; several with commas")
	return list
}

func dashboardGet(c *user) *cobra.Command {
	return &cobra.Command{
		Use: "get NAME", Short: "Print a dashboard as Grafana's JSON: one that ships, app/APPLICATION, or repo/UID of a repository or a ConfigMap", Args: cobra.ExactArgs(1),
		Example: "  slipway dashboard get cluster >cluster.json\n  slipway dashboard get app/shop\n  slipway dashboard get repo/shop-sales",
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/api/v1/dashboards/" + url.PathEscape(args[0])
			if application, ok := strings.CutPrefix(args[0], "app/"); ok {
				path = c.Path("applications", application, "dashboard")
			} else if uid, ok := strings.CutPrefix(args[0], "repo/"); ok {
				path = c.Path("dashboards", uid)
			}
			var d json.RawMessage
			if err := c.Call(cmd.Context(), "GET", path, nil, &d); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", d)
			return err
		},
	}
}
