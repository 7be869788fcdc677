package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

func runVerb(c *user) *cobra.Command {
	run := &cobra.Command{Use: "run", Aliases: []string{"runs"}, Short: "Pipeline runs"}
	run.AddCommand(
		runList(c),
		runGet(c),
		runStart(c), runForm(c), runLogs(c), runTests(c), runCoverage(c), runArtifacts(c), runWait(c), runWatch(c), runRerun(c), runPlay(c),
		&cobra.Command{Use: "cancel NAME [JOB]", Short: "Stop what runs and start nothing more; or one job", Args: cobra.RangeArgs(1, 2), RunE: func(cmd *cobra.Command, args []string) error {
			path := []string{"runs", args[0], "cancel"}
			if len(args) == 2 {
				path = []string{"runs", args[0], "jobs", args[1], "cancel"}
			}
			return c.Call(cmd.Context(), "POST", c.Path(path...), nil, nil)
		}},
		jobAction(c, "retry", "Do a job again, and what was skipped for it"),
		jobAction(c, "unplay", "Take the start of a job back; a delayed job then waits for a person"),
		runApprove(c),
		deletion(c, "runs", "Delete a run with its logs and artifacts"),
	)
	return run
}

func runList(c *user) *cobra.Command {
	var repository string
	var limit int
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List runs, newest first", Args: cobra.NoArgs}
	w := watchFlag(cmd, "Run")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 0 {
			return usageError{fmt.Errorf("--limit %d: a number of runs, or 0 for all", limit)}
		}
		l, err := c.Runs(cmd.Context(), repository, limit)
		if err != nil {
			return err
		}
		return show(c, cmd, w, l, l.Items, func(r *slipway.Run) bool { return repository == "" || r.Spec.Repository == repository }, runTable)
	}
	cmd.Flags().StringVar(&repository, "repo", "", "of this repository only")
	cmd.Flags().IntVar(&limit, "limit", 50, "so many, the newest (0: all)")
	return cmd
}

func runGet(c *user) *cobra.Command {
	cmd := &cobra.Command{Use: "get NAME", Short: "Show a run and its jobs", Args: cobra.ExactArgs(1)}
	w := watchFlag(cmd, "Run")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := c.Run(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if p := r.Spec.Parent; p != nil && (c.output == "" || c.output == "wide") {
			fmt.Fprintf(cmd.OutOrStdout(), "%s run of %s, which job %s of run %s started\n\n", r.Spec.Cause, r.Spec.Repository, p.Job, p.Run)
		}
		return show(c, cmd, w, r, []slipway.Run{*r}, func(r *slipway.Run) bool { return r.Name == args[0] }, func(runs []slipway.Run) table { return jobTable(&runs[0]) })
	}
	return cmd
}

func runTable(items []slipway.Run) table {
	t := table{header: []string{"NAME", "PHASE", "REF", "COMMIT", "AGE", "MESSAGE", "CAUSE", "BY", "PARENT"}, wide: 3}
	for _, r := range items {
		ref := strings.TrimPrefix(strings.TrimPrefix(r.Spec.Ref, "refs/heads/"), "refs/tags/")
		message := r.Status.Message
		if r.Status.Queued != "" {
			message = r.Status.Queued
		}
		parent := ""
		if r.Spec.Parent != nil {
			parent = r.Spec.Parent.Run
			message = cmp.Or(message, "started by run "+parent)
		}
		t.add(r.Name, string(r.Status.Phase), ref, short(r.Spec.Commit), age(r.CreationTimestamp.Time), message, r.Spec.Cause, r.Spec.By, parent)
	}
	return t
}

func jobTable(r *slipway.Run) table {
	t := table{header: []string{"JOB", "STAGE", "PHASE", "ATTEMPT", "DURATION", "MESSAGE", "REASON", "BY", "CHILD"}, wide: 3}
	for _, j := range r.Status.Jobs {
		took := ""
		if j.StartedAt != nil && j.FinishedAt != nil {
			took = j.FinishedAt.Sub(j.StartedAt.Time).Round(100 * 1e6).String()
		}
		message := j.Message
		if j.Child != "" {
			message = cmp.Or(message, "started run "+j.Child)
		}
		t.add(j.Name, j.Stage, string(j.Phase), strconv.Itoa(j.Attempt), took, message, j.Reason, j.By, j.Child)
	}
	return t
}

func runLogs(c *user) *cobra.Command {
	var job string
	var follow bool
	var attempt int
	cmd := &cobra.Command{Use: "logs NAME", Short: "Print the logs of a run's jobs", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if job == "" && attempt != 0 {
			return usageError{errors.New("--attempt is of one job: give --job")}
		}
		if job != "" {
			return c.AttemptLog(cmd.Context(), cmd.OutOrStdout(), args[0], job, attempt, follow)
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
	cmd.Flags().IntVar(&attempt, "attempt", 0, "this attempt of the job (default the newest)")
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
