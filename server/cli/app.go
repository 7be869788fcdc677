package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/client"
)

func appVerb(c *user) *cobra.Command {
	app := &cobra.Command{Use: "app", Aliases: []string{"apps", "application"}, Short: "Applications and their releases"}
	app.AddCommand(
		appList(c), appGet(c), appTree(c), appObject(c), appEvents(c),
		appCreate(c), appSet(c),
		appSync(c),
		appStop(c),
		appRollback(c), appUnpin(c),
		action(c, "refresh NAME", "Look at its repository, and at what it has applied, now", "refresh", "looked at again; `slipway app get` shows what was found"),
		&cobra.Command{Use: "history NAME", Short: "List the releases of an application", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			var l slipway.ReleaseList
			if err := c.Call(cmd.Context(), "GET", c.Path("applications", args[0], "releases"), nil, &l); err != nil {
				return err
			}
			t := table{header: []string{"RELEASE", "RESULT", "COMMIT", "SUBJECT", "CAUSE", "BY", "AGE", "REASON", "AUTHOR", "RUN", "IMAGES"}, wide: 3}
			for _, r := range l.Items {
				d := r.Spec.Desired
				var images []string
				for _, i := range d.Images {
					images = append(images, fmt.Sprintf("%s@%.19s(%s)", i.Name, i.Digest, short(i.Commit)))
				}
				t.add(strconv.FormatInt(r.Spec.Number, 10), string(r.Status.Result), valueOf(d), r.Spec.Subject, d.Cause, d.By, age(r.CreationTimestamp.Time), r.Status.Reason,
					r.Spec.Author, d.Run, strings.Join(images, " "))
			}
			return c.print(cmd.OutOrStdout(), &l, t)
		}},
		appDiff(c), appLogs(c),
		appWait(c),
		appDelete(c),
	)
	app.AddCommand(promotionVerbs(c)...)
	return app
}

func appDiff(c *user) *cobra.Command {
	var release, against int64
	var local string
	var exitCode bool
	cmd := &cobra.Command{
		Use: "diff NAME", Args: cobra.ExactArgs(1),
		Short: "Show what differs between desired or a working copy and live, or between two releases",
		Long: "Show what differs between what is desired and what is live, as the apiserver sees it. The exit status is 1 if anything does, 0 if nothing, and 2 or more for an error.\n\n" +
			"With --local, the working copy that the directory is in is rendered as the application says, with its images and values, as if it were committed; .gitignore is heeded.",
		Example: "  slipway app diff shop --local .\n  slipway app diff shop --release 12 --against 10",
		RunE: func(cmd *cobra.Command, args []string) error {
			var seen counted
			out := io.MultiWriter(cmd.OutOrStdout(), &seen)
			var err error
			switch {
			case local != "":
				err = c.diffLocal(cmd.Context(), args[0], local, out, cmd.ErrOrStderr())
			case release == 0:
				err = c.Copy(cmd.Context(), out, c.Path("applications", args[0], "diff"))
			default:
				path := c.Path("applications", args[0], "releases", strconv.FormatInt(release, 10), "diff")
				if against != 0 {
					path += "?against=" + strconv.FormatInt(against, 10)
				}
				return c.Copy(cmd.Context(), out, path)
			}
			if err != nil && exitCode {
				return statusError{2, err}
			}
			if err == nil && exitCode && seen > 0 {
				return errSilent
			}
			return err
		},
	}
	f := cmd.Flags()
	f.Int64Var(&release, "release", 0, "show what this release changed")
	f.Int64Var(&against, "against", 0, "compare it with this release (default the one before)")
	f.StringVar(&local, "local", "", "directory of a working copy that is compared with live in place of what is desired")
	f.BoolVar(&exitCode, "exit-code", true, "exit with status 1 if anything differs, and 2 for an error")
	cmd.MarkFlagsMutuallyExclusive("local", "release")
	cmd.MarkFlagsMutuallyExclusive("local", "against")
	return cmd
}

// counted is how many bytes were written.
type counted int64

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}

func appGet(c *user) *cobra.Command {
	cmd := &cobra.Command{Use: "get NAME", Short: "Show an application", Args: cobra.ExactArgs(1)}
	w := watchFlag(cmd, "Application")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var a slipway.Application
		if err := c.Call(cmd.Context(), "GET", c.Path("applications", args[0]), nil, &a); err != nil {
			return err
		}
		err := show(c, cmd, w, &a, []slipway.Application{a}, func(a *slipway.Application) bool { return a.Name == args[0] }, appTable)
		if err != nil || w.on || c.output == "json" || c.output == "yaml" {
			return err
		}
		return c.appDetails(cmd.Context(), cmd.OutOrStdout(), &a)
	}
	return cmd
}

func appCreate(c *user) *cobra.Command {
	var a slipway.Application
	var from, file string
	var approvals int
	var complete func(name string)
	var more func() map[string]any
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an application that follows a repository or a chart", Args: cobra.MaximumNArgs(1),
		Example: "  slipway app create shop --repo shop --path deploy --sync push\n  slipway app create shop --repo shop --semver '>=1.2.0 <2'\n  slipway app create -f shop.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			} else if file == "" {
				return usageError{errors.New("name the application, as in `slipway app create shop --repo shop`, or give a file with -f")}
			}
			complete(name)
			if from != "" {
				a.Spec.Sync, a.Spec.Promotion = "manual", &slipway.PromotionPolicy{From: from, Approvals: approvals}
			}
			if file != "" {
				a = slipway.Application{}
				if err := readYAML(cmd, file, &a); err != nil {
					return err
				}
				if a.Kind != "" && a.Kind != "Application" || a.APIVersion != "" && a.APIVersion != slipway.GroupVersion.String() {
					return fmt.Errorf("%s: %s of %s; want Application of %s", file, a.Kind, a.APIVersion, slipway.GroupVersion)
				}
				switch {
				case name == "" && a.Name == "":
					return fmt.Errorf("%s: it has no metadata.name; add it, or name the application before -f", file)
				case name == "":
					name = a.Name
				case a.Name != "" && a.Name != name:
					return fmt.Errorf("%s: it is of application %s, not of %s", file, a.Name, name)
				}
			}
			a.Name = name
			if err := merge(&a.Spec, more()); err != nil {
				return err
			}
			if err := c.Call(cmd.Context(), "POST", c.Path("applications"), &a, nil); err != nil {
				return err
			}
			next := "`slipway app wait " + name + "` waits until it is healthy"
			if p := a.Spec.Promotion; p != nil {
				next = "`slipway app promote " + p.From + " --to " + name + "` brings a release"
			} else if a.Spec.Sync == "manual" {
				next = "`slipway app sync " + name + " --dry-run` shows what it would apply"
			}
			c.word(cmd, "application %s is made; %s", name, next)
			c.warnOf(cmd, a.Spec.Source.Repository)
			return nil
		},
	}
	complete = sourceFlags(cmd, &a.Spec.Source)
	f := cmd.Flags()
	f.StringVar(&a.Spec.Sync, "sync", "push", "what changes it: push, pipeline or manual")
	f.StringSliceVar(&a.Spec.Needs, "needs", nil, "applications that must be healthy and synced first")
	f.StringVar(&from, "promoted-from", "", "application whose releases are promoted to this one; its sync is then manual")
	f.IntVar(&approvals, "approvals", 0, "approvals that a promotion needs")
	more = specFlags(f, slices.Concat(revisionOptions, specOptions))
	cmd.MarkFlagsMutuallyExclusive(flagNames(revisionOptions)...)
	f.StringVarP(&file, "file", "f", "", "YAML or JSON of the Application in place of these flags, - for standard input")
	for _, flag := range flagNames(slices.Concat(sourceOptions, revisionOptions)) {
		cmd.MarkFlagsMutuallyExclusive("file", flag)
	}
	cmd.MarkFlagsMutuallyExclusive("file", "promoted-from")
	return cmd
}

// warnOf a repository that is not there: what follows it may be made before it is.
func (c *user) warnOf(cmd *cobra.Command, repo string) {
	if repo == "" {
		return
	}
	if err := c.Call(cmd.Context(), "GET", c.Path("repositories", repo), nil, nil); isMissing(err) {
		fmt.Fprintf(cmd.ErrOrStderr(), "repository %s is not there yet: push to it, or `slipway repo add %s`\n", repo, repo)
	}
}

func deletion(c *user, resource, shortText string) *cobra.Command {
	return &cobra.Command{Use: "delete NAME", Short: shortText, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return c.Call(cmd.Context(), "DELETE", c.Path(resource, args[0]), nil, nil)
	}}
}

func appRollback(c *user) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rollback NAME [RELEASE]", Aliases: []string{"pin"}, Args: cobra.RangeArgs(1, 2),
		Short: "Put a release back, or the healthy one before this one, and hold it until unpin",
	}
	w := waitFlags(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var body struct {
			Release int64 `json:"release,omitempty"`
		}
		if len(args) == 2 {
			n, err := strconv.ParseInt(strings.TrimPrefix(args[1], "#"), 10, 64)
			if err != nil || n < 1 {
				return usageError{fmt.Errorf("release %q: want a number of `slipway app history %s`", args[1], args[0])}
			}
			body.Release = n
		}
		if err := c.Call(cmd.Context(), "POST", c.Path("applications", args[0], "rollback"), &body, nil); err != nil {
			return err
		}
		if w.on {
			if err := c.follow(cmd, w, args[0]); err != nil {
				return err
			}
		}
		a, err := c.application(cmd.Context(), args[0])
		if err == nil {
			c.word(cmd, "application %s is pinned to release %d until `slipway app unpin %s`", args[0], a.Spec.Pin, args[0])
		}
		return err
	}
	return cmd
}

func appWait(c *user) *cobra.Command {
	var timeout time.Duration
	var release int64
	cmd := &cobra.Command{
		Use: "wait NAME", Args: cobra.ExactArgs(1),
		Short: "Wait until what is desired of an application, or pinned, runs and is healthy",
		Long:  "Wait until what is desired of an application, or pinned, runs and is healthy. The exit status is 1 if its release fails, or the time is up.",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if _, err := c.application(ctx, args[0]); isMissing(err) {
				fmt.Fprintf(cmd.ErrOrStderr(), "application %s is not there yet; `slipway app list` shows those that are\n", args[0])
			}
			a, err := c.FollowApp(ctx, args[0], release, appProgress(cmd))
			if err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout(), a, appTable([]slipway.Application{*a}))
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait")
	cmd.Flags().Int64Var(&release, "release", 0, "the release that must be the healthy one (default that of what is desired or pinned)")
	return cmd
}

func isMissing(err error) bool {
	var refused *client.Refused
	return errors.As(err, &refused) && refused.Status == http.StatusNotFound
}

// appProgress tells whoever waits how the application is.
func appProgress(cmd *cobra.Command) func(*slipway.Application) {
	say := told(cmd.ErrOrStderr())
	return func(a *slipway.Application) {
		if a.Status.Health == "" && a.Status.Sync == "" {
			return // nobody has looked at it yet
		}
		say("%s", strings.TrimSuffix(fmt.Sprintf("%s: release %d is %s, %s: %s", a.Name, a.Status.Current, a.Status.Health, a.Status.Sync, a.Status.Message), ": "))
	}
}
