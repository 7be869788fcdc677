package cli

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

func runVerb(c *user) *cobra.Command {
	run := &cobra.Command{Use: "run", Aliases: []string{"runs"}, Short: "Pipeline runs"}
	run.AddCommand(
		runList(c),
		&cobra.Command{Use: "get NAME", Short: "Show a run and its jobs", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			r, err := c.Run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout(), r, jobTable(r))
		}},
		runStart(c),
		runLogs(c),
		&cobra.Command{Use: "cancel NAME", Short: "Stop what runs and start nothing more", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return c.Call(cmd.Context(), "POST", c.Path("runs", args[0], "cancel"), nil, nil)
		}},
		&cobra.Command{Use: "rerun NAME", Short: "Run the same commit again", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			var r slipway.Run
			if err := c.Call(cmd.Context(), "POST", c.Path("runs", args[0], "rerun"), nil, &r); err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout(), &r, runTable([]slipway.Run{r}))
		}},
		&cobra.Command{Use: "play NAME JOB", Short: "Start a manual job", Args: cobra.ExactArgs(2), RunE: func(cmd *cobra.Command, args []string) error {
			return c.Call(cmd.Context(), "POST", c.Path("runs", args[0], "jobs", args[1], "play"), nil, nil)
		}},
	)
	return run
}

func runList(c *user) *cobra.Command {
	var repository string
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List runs, newest first", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var l slipway.RunList
		if err := c.Call(cmd.Context(), "GET", c.Path("runs")+"?repository="+url.QueryEscape(repository), nil, &l); err != nil {
			return err
		}
		return c.print(cmd.OutOrStdout(), &l, runTable(l.Items))
	}}
	cmd.Flags().StringVar(&repository, "repo", "", "of this repository only")
	return cmd
}

func runTable(items []slipway.Run) table {
	t := table{header: []string{"NAME", "PHASE", "REF", "COMMIT", "AGE", "MESSAGE", "CAUSE", "BY"}, wide: 2}
	for _, r := range items {
		ref := strings.TrimPrefix(strings.TrimPrefix(r.Spec.Ref, "refs/heads/"), "refs/tags/")
		t.add(r.Name, string(r.Status.Phase), ref, short(r.Spec.Commit), age(r.CreationTimestamp.Time), r.Status.Message, r.Spec.Cause, r.Spec.By)
	}
	return t
}

func jobTable(r *slipway.Run) table {
	t := table{header: []string{"JOB", "STAGE", "PHASE", "ATTEMPT", "DURATION", "MESSAGE"}}
	for _, j := range r.Status.Jobs {
		took := ""
		if j.StartedAt != nil && j.FinishedAt != nil {
			took = j.FinishedAt.Sub(j.StartedAt.Time).Round(100 * 1e6).String()
		}
		t.add(j.Name, j.Stage, string(j.Phase), strconv.Itoa(j.Attempt), took, j.Message)
	}
	return t
}

func runStart(c *user) *cobra.Command {
	var ref string
	var vars map[string]string
	cmd := &cobra.Command{Use: "start REPOSITORY", Short: "Start a run by hand", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		var r slipway.Run
		err := c.Call(cmd.Context(), "POST", c.Path("runs"), map[string]any{"repository": args[0], "ref": ref, "variables": vars}, &r)
		if err != nil {
			return err
		}
		return c.print(cmd.OutOrStdout(), &r, runTable([]slipway.Run{r}))
	}}
	cmd.Flags().StringVar(&ref, "ref", "", "branch or tag (default the repository's default branch)")
	cmd.Flags().StringToStringVar(&vars, "var", nil, "variable NAME=VALUE, may be repeated")
	return cmd
}

func runLogs(c *user) *cobra.Command {
	var job string
	var follow bool
	cmd := &cobra.Command{Use: "logs NAME", Short: "Print the logs of a run's jobs", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if job != "" {
			return c.JobLog(cmd.Context(), cmd.OutOrStdout(), args[0], job, follow)
		}
		if follow {
			r, err := c.FollowRun(cmd.Context(), cmd.OutOrStdout(), args[0])
			if err != nil {
				return err
			}
			return endOfRun(cmd.OutOrStdout(), r)
		}
		r, err := c.Run(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		for _, j := range r.Status.Jobs {
			if j.Attempt == 0 {
				continue
			}
			fmt.Fprintf(cmd.OutOrStdout(), "== %s (%s)\n", j.Name, j.Phase)
			if err := c.JobLog(cmd.Context(), cmd.OutOrStdout(), args[0], j.Name, false); err != nil {
				return err
			}
		}
		return nil
	}}
	cmd.Flags().StringVar(&job, "job", "", "this job only")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow until the run ends; exit status 1 unless it succeeds")
	return cmd
}

func endOfRun(w io.Writer, r *slipway.Run) error {
	for _, p := range r.Status.Problems {
		fmt.Fprintf(w, "%s:%d:%d: %s\n", p.File, p.Line, p.Column, p.Message)
	}
	fmt.Fprintf(w, "== run %s: %s %s\n", r.Name, r.Status.Phase, r.Status.Message)
	if r.Status.Phase != slipway.Succeeded {
		return errSilent
	}
	return nil
}
