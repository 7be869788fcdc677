package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// word says what comes of what was asked for. Programs, which ask for JSON or YAML, are told
// by the exit status.
func (c *user) word(cmd *cobra.Command, format string, args ...any) {
	if c.output == "" || c.output == "wide" {
		fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...)
	}
}

// application reads one.
func (c *user) application(ctx context.Context, name string) (*slipway.Application, error) {
	a := &slipway.Application{}
	return a, c.Call(ctx, "GET", c.Path("applications", name), nil, a)
}

// waiting is how long a verb waits for what it asked for.
type waiting struct {
	on      bool
	timeout time.Duration
}

func waitFlags(cmd *cobra.Command, on bool) *waiting {
	w := &waiting{}
	cmd.Flags().BoolVar(&w.on, "wait", on, "wait until it is healthy; the exit status says how it ended")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 5*time.Minute, "how long to wait")
	return w
}

// follow waits until an application is as is wanted of it, and says so.
func (c *user) follow(cmd *cobra.Command, w *waiting, name string) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), w.timeout)
	defer cancel()
	_, err := c.FollowApp(ctx, name, 0, appProgress(cmd))
	return err
}

// asked says what an application does after it was told to follow what is desired.
func (c *user) asked(cmd *cobra.Command, name string) error {
	a, err := c.application(cmd.Context(), name)
	switch {
	case err != nil:
		return err
	case !a.DeletionTimestamp.IsZero():
		c.word(cmd, "application %s is being deleted; its hooks are tried again", name)
	case a.Spec.Pin > 0:
		c.word(cmd, "application %s is pinned to release %d: %s waits for `slipway app unpin %s`", name, a.Spec.Pin, desiredOf(a), name)
	default:
		c.word(cmd, "application %s: %s is desired; `slipway app wait %s` waits for it", name, desiredOf(a), name)
	}
	return nil
}

// desiredOf an application, for people.
func desiredOf(a *slipway.Application) string {
	if d := a.Spec.Desired; d != nil {
		if d.Commit == "" {
			return "chart version " + cmp.Or(valueOf(*d), "unknown")
		}
		if d.Tag() != "" {
			return "tag " + valueOf(*d)
		}
		return "commit " + short(d.Commit)
	}
	return "nothing yet"
}

// action is a verb that posts to a sub-resource of an application and says what comes of it.
func action(c *user, use, shortText, sub, done string) *cobra.Command {
	return &cobra.Command{Use: use, Short: shortText, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if err := c.Call(cmd.Context(), "POST", c.Path("applications", args[0], sub), nil, nil); err != nil {
			return err
		}
		c.word(cmd, "application %s: %s", args[0], done)
		return nil
	}}
}

func appStop(c *user) *cobra.Command {
	cmd := action(c, "stop NAME", "Stop the rollout that is under way and put the last healthy release back", "stop",
		"its rollout is stopped; it is not tried again before a new commit or `slipway app sync`")
	cmd.Aliases = []string{"terminate-op"}
	return cmd
}

func appUnpin(c *user) *cobra.Command {
	cmd := &cobra.Command{Use: "unpin NAME", Short: "Follow the desired value again after a rollback", Args: cobra.ExactArgs(1)}
	w := waitFlags(cmd, false)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		before, err := c.application(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if before.Spec.Pin == 0 {
			c.word(cmd, "application %s is not pinned", args[0])
			return nil
		}
		if err := c.Call(cmd.Context(), "POST", c.Path("applications", args[0], "unpin"), nil, nil); err != nil {
			return err
		}
		if w.on {
			return c.follow(cmd, w, args[0])
		}
		return c.asked(cmd, args[0])
	}
	return cmd
}

func appDelete(c *user) *cobra.Command {
	var cascade bool
	cmd := &cobra.Command{
		Use: "delete NAME", Args: cobra.ExactArgs(1),
		Short: "Delete an application and what it applied, or with --cascade=false leave that",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.application(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			path, stays := c.Path("applications", args[0]), a.Spec.Deletion == "orphan"
			if cmd.Flags().Changed("cascade") {
				path, stays = fmt.Sprintf("%s?cascade=%t", path, cascade), !cascade
			}
			if err := c.Call(cmd.Context(), "DELETE", path, nil, nil); err != nil {
				return err
			}
			what := "what it applied goes with it"
			if stays {
				what = "what it applied stays and belongs to nobody"
			}
			c.word(cmd, "application %s is being deleted; %s (objects: %d)", args[0], what, len(a.Status.Inventory))
			return nil
		},
	}
	cmd.Flags().BoolVar(&cascade, "cascade", true, "delete what it applied (default: as spec.deletion says)")
	return cmd
}
