package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/environments"
)

func environmentVerb(c *user) *cobra.Command {
	v := &cobra.Command{Use: "environment", Aliases: []string{"environments", "env"}, Short: "Where jobs deploy to, and what is there"}
	v.AddCommand(environmentList(c), environmentShow(c), environmentStop(c), environmentRedeploy(c))
	return v
}

// named takes an environment by its object's name or, with --repo, by the name that jobs give it.
func named(cmd *cobra.Command) func(name string) (string, error) {
	repo := cmd.Flags().String("repo", "", "repository: NAME is then as in the pipeline file, such as review/fix-1")
	return func(name string) (string, error) {
		switch {
		case *repo != "":
			return environments.ObjectName(*repo, name), nil
		case strings.Contains(name, "/"):
			return "", usageError{fmt.Errorf("environment %s: of which repository? Give --repo, or the name that `slipway environment list` shows first", name)}
		}
		return name, nil
	}
}

// ofEnvironment calls about one environment; one that is not there is called what it was called.
func (c *user) ofEnvironment(ctx context.Context, method, object, name string, in, out any, word ...string) error {
	err := c.Call(ctx, method, c.Path(append([]string{"environments", object}, word...)...), in, out)
	if isMissing(err) && object != name {
		return fmt.Errorf("environment %s not found: no job has deployed to it; `slipway environment list` shows what there is", name)
	}
	return err
}

func environmentList(c *user) *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List environments and what is deployed", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var l slipway.EnvironmentList
		if err := c.Call(cmd.Context(), "GET", c.Path("environments"), nil, &l); err != nil {
			return err
		}
		t := table{header: []string{"NAME", "REPOSITORY", "ENVIRONMENT", "STATE", "COMMIT", "RUN", "AGE", "URL", "TIER", "STOPS AT", "BY"}, wide: 3}
		for _, e := range l.Items {
			st, old := e.Status, ""
			if st.DeployedAt != nil {
				old = age(st.DeployedAt.Time)
			}
			t.add(e.Name, e.Spec.Repository, e.Spec.Name, st.State, short(st.Commit), st.Run, old, st.URL, st.Tier, when(st.AutoStopAt), st.By)
		}
		return c.print(cmd.OutOrStdout(), &l, t)
	}}
}

func environmentShow(c *user) *cobra.Command {
	cmd := &cobra.Command{Use: "show NAME", Aliases: []string{"get"}, Short: "Show the deployments of an environment, newest first", Args: cobra.ExactArgs(1)}
	name := named(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var e slipway.Environment
		object, err := name(args[0])
		if err != nil {
			return err
		}
		if err := c.ofEnvironment(cmd.Context(), "GET", object, args[0], nil, &e); err != nil {
			return err
		}
		t := table{header: []string{"RUN", "JOB", "PHASE", "COMMIT", "REF", "AT", "BY"}}
		for _, d := range e.Status.History {
			t.add(d.Run, d.Job, string(d.Phase), short(d.Commit), d.Ref, d.At.Local().Format(time.DateTime), d.By)
		}
		return c.print(cmd.OutOrStdout(), &e, t)
	}
	return cmd
}

func environmentStop(c *user) *cobra.Command {
	cmd := &cobra.Command{Use: "stop NAME", Short: "Stop what is deployed, by its on_stop job", Args: cobra.ExactArgs(1)}
	name := named(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		object, err := name(args[0])
		if err != nil {
			return err
		}
		return c.ofEnvironment(cmd.Context(), "POST", object, args[0], nil, nil, "stop")
	}
	return cmd
}

func environmentRedeploy(c *user) *cobra.Command {
	cmd := &cobra.Command{
		Use: "redeploy NAME", Short: "Deploy again what is there, or what an earlier run deployed", Args: cobra.ExactArgs(1),
		Example: "  slipway environment redeploy --repo shop production --run shop-7",
	}
	name := named(cmd)
	run := cmd.Flags().String("run", "", "the run whose deployment it is (default the newest)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		object, err := name(args[0])
		if err != nil {
			return err
		}
		return c.ofEnvironment(cmd.Context(), "POST", object, args[0], map[string]string{"run": *run}, nil, "redeploy")
	}
	return cmd
}
