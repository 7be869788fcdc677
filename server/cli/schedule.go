package cli

import (
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

func scheduleVerb(c *user) *cobra.Command {
	v := &cobra.Command{Use: "schedule", Aliases: []string{"schedules"}, Short: "Runs at given times"}
	v.AddCommand(
		scheduleCreate(c),
		&cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List schedules", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			var l slipway.ScheduleList
			if err := c.Call(cmd.Context(), "GET", c.Path("schedules"), nil, &l); err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout(), &l, scheduleTable(l.Items))
		}},
		deletion(c, "schedules", "Delete a schedule; its runs stay"),
		scheduleAct(c, "suspend", "Start no runs until it is resumed"),
		scheduleAct(c, "resume", "Start runs again; missed times are not made up for"),
		&cobra.Command{Use: "run NAME", Short: "Start a run of it now", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			var r slipway.Run
			if err := c.Call(cmd.Context(), "POST", c.Path("schedules", args[0], "run"), nil, &r); err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout(), &r, runTable([]slipway.Run{r}))
		}},
	)
	return v
}

func scheduleCreate(c *user) *cobra.Command {
	var s slipway.Schedule
	var inputs map[string]string
	cmd := &cobra.Command{
		Use: "create NAME", Args: cobra.ExactArgs(1), Short: "Start runs of a repository at given times",
		Example: "  slipway schedule create nightly --repo shop --cron '30 2 * * 1-5' --time-zone Europe/Berlin",
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Name = args[0]
			for name, text := range inputs {
				if s.Spec.Inputs == nil {
					s.Spec.Inputs = map[string]string{}
				}
				s.Spec.Inputs[name] = string(inputValue(text))
			}
			if err := c.Call(cmd.Context(), "POST", c.Path("schedules"), &s, nil); err != nil {
				return err
			}
			c.warnOf(cmd, s.Spec.Repository)
			return nil
		},
	}
	cmd.Flags().StringVar(&s.Spec.Repository, "repo", "", "repository (required)")
	cmd.Flags().StringVar(&s.Spec.Cron, "cron", "", "minute, hour, day of month, month, day of week (required)")
	cmd.Flags().StringVar(&s.Spec.TimeZone, "time-zone", "", "IANA name (default UTC)")
	cmd.Flags().StringVar(&s.Spec.Ref, "ref", "", "branch or tag (default the repository's default branch)")
	cmd.Flags().Var(pairs{&s.Spec.Variables}, "var", "variable, may be repeated; never a secret")
	cmd.Flags().Var(pairs{&inputs}, "input", "input of the pipeline file, may be repeated; a value that is JSON is taken as such")
	cmd.Flags().BoolVar(&s.Spec.Suspend, "suspended", false, "start nothing until it is resumed")
	_ = cmd.MarkFlagRequired("repo")
	_ = cmd.MarkFlagRequired("cron")
	return cmd
}

func scheduleAct(c *user, verb, short string) *cobra.Command {
	return &cobra.Command{Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return c.Call(cmd.Context(), "POST", c.Path("schedules", args[0], verb), nil, nil)
	}}
}

func scheduleTable(items []slipway.Schedule) table {
	t := table{header: []string{"NAME", "REPOSITORY", "REF", "CRON", "TIME ZONE", "LAST RUN", "NEXT", "MESSAGE", "BY"}, wide: 1}
	for _, s := range items {
		zone, next := s.Spec.TimeZone, when(s.Status.Next)
		if zone == "" {
			zone = "UTC"
		}
		if s.Spec.Suspend {
			next = "suspended"
		}
		t.add(s.Name, s.Spec.Repository, s.Spec.Ref, s.Spec.Cron, zone, s.Status.LastRun, next, s.Status.Message, s.Spec.By)
	}
	return t
}

// when in the reader's time zone.
func when(t *metav1.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}
