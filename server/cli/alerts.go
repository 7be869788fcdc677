package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/server/api"
)

func alertsVerb(c *user) *cobra.Command {
	var app string
	cmd := &cobra.Command{
		Use: "alerts", Args: cobra.NoArgs, Short: "Alerts that fire in the namespace",
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := c.Path("alerts")
			if app != "" {
				path += "?application=" + app
			}
			var answer struct{ Items []api.Alert }
			if err := c.Call(cmd.Context(), "GET", path, nil, &answer); err != nil {
				return err
			}
			slices.SortFunc(answer.Items, func(a, b api.Alert) int { return cmp.Compare(a.Labels["alertname"], b.Labels["alertname"]) })
			t := table{header: []string{"ALERT", "SEVERITY", "OF", "SINCE", "STATE", "SUMMARY"}}
			for _, a := range answer.Items {
				t.add(a.Labels["alertname"], a.Labels["severity"], concerns(a), a.StartsAt.Local().Format(time.DateTime), alertState(a), cmp.Or(a.Annotations["summary"], a.Annotations["description"]))
			}
			return c.print(cmd.OutOrStdout(), answer.Items, t)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "of this application only")
	return cmd
}

// concerns is what an alert is about, which tells it from others of its name.
func concerns(a api.Alert) string {
	for _, label := range []string{"pod", "persistentvolumeclaim", "deployment", "statefulset", "daemonset", "job_name", "application", "repository", "instance", "node"} {
		if v := a.Labels[label]; v != "" {
			return v
		}
	}
	return ""
}

// alertState says why one that fires is not sent.
func alertState(a api.Alert) string {
	switch {
	case len(a.SilencedBy) > 0:
		return "silenced"
	case a.Inhibited:
		return "inhibited"
	}
	return a.State
}

func silenceVerb(c *user) *cobra.Command {
	v := &cobra.Command{Use: "silence", Aliases: []string{"silences"}, Short: "Keep alerts of the namespace from being sent for some time"}
	v.AddCommand(silenceAdd(c), deletion(c, "silences", "End a silence; NAME is its id"), &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List silences", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer struct{ Items []api.Silence }
			if err := c.Call(cmd.Context(), "GET", c.Path("silences"), nil, &answer); err != nil {
				return err
			}
			t := table{header: []string{"ID", "STATE", "UNTIL", "BY", "MATCHERS", "COMMENT"}}
			for _, s := range answer.Items {
				t.add(s.ID, s.State, s.EndsAt.Local().Format(time.DateTime), s.CreatedBy, strings.Join(s.Matchers, " "), s.Comment)
			}
			return c.print(cmd.OutOrStdout(), answer.Items, t)
		},
	})
	return v
}

func silenceAdd(c *user) *cobra.Command {
	var s api.Silence
	var length time.Duration
	cmd := &cobra.Command{
		Use: "add MATCHER...", Args: cobra.MinimumNArgs(1), Short: "Silence alerts of the namespace that match",
		Example: "  slipway silence add alertname=PodCrashLoops 'pod=~web-.*' --for 2h --comment 'known, fixed in the next release'",
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Matchers, s.EndsAt = args, time.Now().Add(length)
			var made api.Silence
			if err := c.Call(cmd.Context(), "POST", c.Path("silences"), &s, &made); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), made.ID)
			return err
		},
	}
	length = 2 * time.Hour
	cmd.Flags().Var(span{&length}, "for", "how long")
	cmd.Flags().StringVar(&s.Comment, "comment", "", "why (required)")
	_ = cmd.MarkFlagRequired("comment")
	return cmd
}
