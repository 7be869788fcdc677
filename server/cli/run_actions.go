package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/run"
	"slipway.dev/server/api"
)

func runStart(c *user) *cobra.Command {
	var r api.StartRun
	var inputs map[string]string
	var after afterwards
	cmd := &cobra.Command{Use: "start REPOSITORY", Short: "Start a run by hand", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		r.Repository, r.Cause, r.Inputs = args[0], "manual", map[string]json.RawMessage{}
		for name, text := range inputs {
			r.Inputs[name] = inputValue(text)
		}
		var run slipway.Run
		if err := c.Call(cmd.Context(), "POST", c.Path("runs"), &r, &run); err != nil {
			return err
		}
		return after.do(c, cmd, &run)
	}}
	cmd.Flags().StringVar(&r.Ref, "ref", "", "branch or tag (default the repository's default branch)")
	cmd.Flags().Var(pairs{&r.Variables}, "var", "variable, may be repeated")
	cmd.Flags().Var(pairs{&inputs}, "input", "input of the pipeline file, may be repeated; a value that is JSON is taken as such")
	cmd.Flags().StringVar(&r.MergeRequest, "merge-request", "", "run as a request to merge --ref into this branch")
	after.flags(cmd)
	return cmd
}

// runForm shows what a run may be given.
func runForm(c *user) *cobra.Command {
	var ref string
	cmd := &cobra.Command{Use: "form REPOSITORY", Short: "Show the variables and inputs that a run may be given", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		var f run.Form
		path := c.Path("repositories", args[0], "form")
		if ref != "" {
			path += "?ref=" + url.QueryEscape(ref)
		}
		if err := c.Call(cmd.Context(), "GET", path, nil, &f); err != nil {
			return err
		}
		if len(f.Problems) > 0 && (c.output == "" || c.output == "wide") {
			p := f.Problems[0]
			return fmt.Errorf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
		}
		t := table{header: []string{"GIVE", "DEFAULT", "OPTIONS", "DESCRIPTION"}}
		for _, v := range f.Variables {
			t.add("--var "+v.Name+"=", v.Value, strings.Join(v.Options, ", "), v.Description)
		}
		for _, in := range f.Inputs {
			var options []string
			for _, o := range in.Options {
				options = append(options, string(o))
			}
			value := string(in.Default)
			if in.Required {
				value = "(required)"
			}
			t.add("--input "+in.Name+"= ("+in.Type+")", value, strings.Join(options, ", "), in.Description)
		}
		return c.print(cmd.OutOrStdout(), &f, t)
	}}
	cmd.Flags().StringVar(&ref, "ref", "", "branch or tag (default the repository's default branch)")
	return cmd
}

// inputValue is text as JSON where it is JSON (3, true, ["a"]), else as a string.
func inputValue(text string) json.RawMessage {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	b, _ := json.Marshal(text) // a string always can be
	return b
}

// afterwards is what a verb does once a run has begun: wait, or follow its logs.
type afterwards struct {
	wait, follow bool
	timeout      time.Duration
}

func (a *afterwards) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.wait, "wait", false, "wait until the run ends; exit status 1 unless it succeeds")
	cmd.Flags().BoolVarP(&a.follow, "follow", "f", false, "print the logs until the run ends; exit status 1 unless it succeeds")
	cmd.Flags().DurationVar(&a.timeout, "timeout", 0, "give up waiting after this time (default never)")
}

func (a *afterwards) do(c *user, cmd *cobra.Command, r *slipway.Run) error {
	if !a.wait && !a.follow {
		return c.print(cmd.OutOrStdout(), r, runTable([]slipway.Run{*r}))
	}
	return a.until(c, cmd, r.Name)
}

// until the run is over. Exit status 1 unless it succeeded.
func (a *afterwards) until(c *user, cmd *cobra.Command, name string) error {
	ctx, cancel := cmd.Context(), context.CancelFunc(func() {})
	if a.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, a.timeout)
	}
	defer cancel()
	var r *slipway.Run
	var err error
	if a.follow {
		r, err = c.FollowRun(ctx, cmd.OutOrStdout(), name)
	} else {
		r, err = c.WaitRun(ctx, name, func(r *slipway.Run) bool { return r.Status.Phase.Finished() })
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("run %s: not over after %s", name, a.timeout)
	}
	if err != nil {
		return err
	}
	return endOfRun(cmd.OutOrStdout(), r)
}

func runWait(c *user) *cobra.Command {
	a := afterwards{}
	cmd := &cobra.Command{Use: "wait NAME", Short: "Wait until a run ends; exit status 1 unless it succeeds", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return a.until(c, cmd, args[0])
	}}
	cmd.Flags().DurationVar(&a.timeout, "timeout", 0, "give up after this time (default never)")
	return cmd
}

// runWatch prints each change of a run and its jobs as a line.
func runWatch(c *user) *cobra.Command {
	return &cobra.Command{Use: "watch NAME", Short: "Print each change of a run and its jobs until it ends", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		seen := map[string]string{}
		say := func(what, state string) {
			if seen[what] != state {
				seen[what] = state
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %-30s %s\n", time.Now().Format("15:04:05.0"), what, state)
			}
		}
		r, err := c.WaitRun(cmd.Context(), args[0], func(r *slipway.Run) bool {
			why := r.Status.Message
			if r.Status.Queued != "" {
				why = r.Status.Queued
			}
			say("run "+r.Name, string(r.Status.Phase)+" "+why)
			for _, j := range r.Status.Jobs {
				say(j.Name, fmt.Sprintf("%s %s", j.Phase, j.Message))
			}
			return r.Status.Phase.Finished()
		})
		if err != nil {
			return err
		}
		return endOfRun(io.Discard, r)
	}}
}

func runRerun(c *user) *cobra.Command {
	var failed bool
	var from string
	var after afterwards
	cmd := &cobra.Command{Use: "rerun NAME", Short: "Run the same commit again as a new run; or what failed, or from a job on, in this run", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		path := c.Path("runs", args[0], "rerun")
		if !failed && from == "" {
			var r slipway.Run
			if err := c.Call(cmd.Context(), "POST", path, nil, &r); err != nil {
				return err
			}
			return after.do(c, cmd, &r)
		}
		before, err := c.Run(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if err := c.Call(cmd.Context(), "POST", path, map[string]any{"failed": failed, "from": from}, nil); err != nil {
			return err
		}
		// The run may still say that it is over: what was asked takes effect in a moment.
		r, err := c.WaitRun(cmd.Context(), args[0], func(r *slipway.Run) bool { return r.Status.Handled > before.Status.Handled })
		if err != nil {
			return err
		}
		return after.do(c, cmd, r)
	}}
	cmd.Flags().BoolVar(&failed, "failed", false, "what failed or was canceled, and what was skipped for it")
	cmd.Flags().StringVar(&from, "from", "", "this job and everything behind it")
	cmd.MarkFlagsMutuallyExclusive("failed", "from")
	after.flags(cmd)
	return cmd
}

func runPlay(c *user) *cobra.Command {
	var vars map[string]string
	var yes bool
	cmd := &cobra.Command{Use: "play NAME JOB", Short: "Start a manual or delayed job now", Args: cobra.ExactArgs(2), RunE: func(cmd *cobra.Command, args []string) error {
		r, err := c.Run(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		approve := false
		for _, j := range r.Status.Jobs {
			if j.Name != args[1] || j.Confirmation == "" || j.ApprovedBy != "" {
				continue
			}
			if approve = yes; !approve {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", j.Confirmation)
				answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
				if answer != "y\n" && answer != "yes\n" {
					return fmt.Errorf("job %s: not confirmed; answer y, or give --yes", j.Name)
				}
				approve = true
			}
		}
		return c.Call(cmd.Context(), "POST", c.Path("runs", args[0], "jobs", args[1], "play"), map[string]any{"variables": vars, "approve": approve}, nil)
	}}
	cmd.Flags().Var(pairs{&vars}, "var", "variable of this attempt, may be repeated")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "approve a job that asks for it, without a question")
	return cmd
}

// runApprove approves a job, or a run that nothing of may start before.
func runApprove(c *user) *cobra.Command {
	return &cobra.Command{
		Use: "approve NAME [JOB]", Args: cobra.RangeArgs(1, 2),
		Short: "Approve a job that asks for it, or a run that waits, such as one of a fork's merge request",
		RunE: func(cmd *cobra.Command, args []string) error {
			path := []string{"runs", args[0], "approve"}
			if len(args) == 2 {
				path = []string{"runs", args[0], "jobs", args[1], "approve"}
			}
			return c.Call(cmd.Context(), "POST", c.Path(path...), nil, nil)
		},
	}
}

func jobAction(c *user, verb, short string) *cobra.Command {
	return &cobra.Command{Use: verb + " NAME JOB", Short: short, Args: cobra.ExactArgs(2), RunE: func(cmd *cobra.Command, args []string) error {
		return c.Call(cmd.Context(), "POST", c.Path("runs", args[0], "jobs", args[1], verb), nil, nil)
	}}
}
