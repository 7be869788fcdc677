package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

func appVerb(c *user) *cobra.Command {
	app := &cobra.Command{Use: "app", Aliases: []string{"apps", "application"}, Short: "Applications and their releases"}
	app.AddCommand(
		&cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List applications", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			var l slipway.ApplicationList
			if err := c.Call(cmd.Context(), "GET", c.Path("applications"), nil, &l); err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout(), &l, appTable(l.Items))
		}},
		&cobra.Command{Use: "get NAME", Short: "Show an application", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			var a slipway.Application
			if err := c.Call(cmd.Context(), "GET", c.Path("applications", args[0]), nil, &a); err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout(), &a, appTable([]slipway.Application{a}))
		}},
		appCreate(c),
		action(c, "sync NAME", "Apply the desired value again, also one that failed", "sync"),
		action(c, "unpin NAME", "Follow the desired value again after a rollback", "unpin"),
		appRollback(c),
		&cobra.Command{Use: "history NAME", Short: "List the releases of an application", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			var l slipway.ReleaseList
			if err := c.Call(cmd.Context(), "GET", c.Path("applications", args[0], "releases"), nil, &l); err != nil {
				return err
			}
			t := table{header: []string{"RELEASE", "RESULT", "COMMIT", "SUBJECT", "BY", "AGE", "REASON"}}
			for _, r := range l.Items {
				t.add(strconv.FormatInt(r.Spec.Number, 10), string(r.Status.Result), short(r.Spec.Desired.Commit), r.Spec.Subject, r.Spec.Desired.By, age(r.CreationTimestamp.Time), r.Status.Reason)
			}
			return c.print(cmd.OutOrStdout(), &l, t)
		}},
		&cobra.Command{Use: "diff NAME", Short: "Show what differs between desired and live", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return c.Copy(cmd.Context(), cmd.OutOrStdout(), c.Path("applications", args[0], "diff"))
		}},
		appWait(c),
		deletion(c, "applications", "Delete an application and what it applied"),
	)
	return app
}

func appTable(items []slipway.Application) table {
	t := table{header: []string{"NAME", "RELEASE", "HEALTH", "SYNC", "ADDRESS", "MESSAGE", "REPOSITORY", "PATH"}, wide: 2}
	for _, a := range items {
		sync := a.Status.Sync
		if a.Spec.Pin != 0 {
			sync = fmt.Sprintf("Pinned(%d)", a.Spec.Pin)
		}
		t.add(a.Name, strconv.FormatInt(a.Status.Current, 10), a.Status.Health, sync, strings.Join(a.Status.Addresses, " "), a.Status.Message, a.Spec.Source.Repository, a.Spec.Source.Path)
	}
	return t
}

func appCreate(c *user) *cobra.Command {
	var a slipway.Application
	cmd := &cobra.Command{Use: "create NAME", Short: "Create an application that follows a repository", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		a.Name = args[0]
		if a.Spec.Source.Repository == "" {
			a.Spec.Source.Repository = args[0]
		}
		return c.Call(cmd.Context(), "POST", c.Path("applications"), &a, nil)
	}}
	cmd.Flags().StringVar(&a.Spec.Source.Repository, "repo", "", "repository (default the application's name)")
	cmd.Flags().StringVar(&a.Spec.Source.Branch, "branch", "", "branch to follow (default the repository's)")
	cmd.Flags().StringVar(&a.Spec.Source.Path, "path", "deploy", "directory of the manifests")
	cmd.Flags().StringVar(&a.Spec.Sync, "sync", "push", "what changes it: push, pipeline or manual")
	return cmd
}

// action is a verb that posts to a sub-resource of an application and says so.
func action(c *user, use, shortText, sub string) *cobra.Command {
	return &cobra.Command{Use: use, Short: shortText, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return c.Call(cmd.Context(), "POST", c.Path("applications", args[0], sub), nil, nil)
	}}
}

func deletion(c *user, resource, shortText string) *cobra.Command {
	return &cobra.Command{Use: "delete NAME", Short: shortText, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return c.Call(cmd.Context(), "DELETE", c.Path(resource, args[0]), nil, nil)
	}}
}

func appRollback(c *user) *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "rollback NAME RELEASE", Args: cobra.ExactArgs(2),
		Short: "Put a release back and hold it until unpin",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil || n < 1 {
				return usageError{fmt.Errorf("release %q: want a number of `slipway app history %s`", args[1], args[0])}
			}
			if err := c.Call(cmd.Context(), "POST", c.Path("applications", args[0], "rollback"), map[string]int64{"release": n}, nil); err != nil {
				return err
			}
			if wait {
				ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
				defer cancel()
				_, err = c.WaitApp(ctx, args[0], n)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", true, "wait until it is healthy")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait")
	return cmd
}

func appWait(c *user) *cobra.Command {
	var timeout time.Duration
	var release int64
	cmd := &cobra.Command{Use: "wait NAME", Short: "Wait until an application is healthy", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		a, err := c.WaitApp(ctx, args[0], release)
		if err != nil {
			return err
		}
		return c.print(cmd.OutOrStdout(), a, appTable([]slipway.Application{*a}))
	}}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait")
	cmd.Flags().Int64Var(&release, "release", 0, "the release that must be the healthy one (default any)")
	return cmd
}
