// Package cli owns the verbs of `slipway`: what they are called, their flags
// and how they print. Verbs that act on a running server are clients of its
// REST interface and hold no logic of their own; the others hand over to the
// package that owns the work.
//
// Start at Root; each verb has its own file.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/component-base/version"
)

// Main runs the program and returns its exit status: 0, 1 for a failure, 2 for
// a command line that does not fit.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := Root().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(os.Stderr, "slipway:", err)
		return 2
	}
	if !errors.Is(err, errSilent) {
		fmt.Fprintln(os.Stderr, "slipway:", err)
	}
	var status statusError
	if errors.As(err, &status) {
		return status.status
	}
	return 1
}

// statusError ends the program with a status of its own, where 1 means something else.
type statusError struct {
	status int
	error
}

func (e statusError) Unwrap() error { return e.error }

// errSilent ends the program with status 1 when the reason is printed already.
var errSilent = errors.New("failed")

type usageError struct{ error }

// Root is the whole command tree.
func Root() *cobra.Command {
	c := &user{}
	root := &cobra.Command{
		Use:           "slipway",
		Version:       version.Get().GitCommit,
		Short:         "From git push to a running, observed, reversible release",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	// Kubernetes' libraries give the process a --version of theirs, which every verb would show.
	root.Flags().Bool("version", false, "print the commit of this binary")
	if theirs := pflag.Lookup("version"); theirs != nil {
		theirs.Hidden = true
	}
	c.Flags(root.PersistentFlags())
	root.PersistentFlags().StringVarP(&c.output, "output", "o", "", "json, yaml or wide")
	root.AddGroup(
		&cobra.Group{ID: "work", Title: "Every day:"},
		&cobra.Group{ID: "server", Title: "The server:"},
	)
	for _, v := range []*cobra.Command{appVerb(c), appsetVerb(c), runVerb(c), repoVerb(c), logsVerb(c), queryVerb(c), alertsVerb(c), silenceVerb(c), dashboardVerb(c), grafanaVerb(c), logstackVerb(c), rulesVerb(), pipelineVerb(), variableVerb(c), scheduleVerb(c), environmentVerb(c)} {
		v.GroupID = "work"
		root.AddCommand(v)
	}
	for _, v := range serverVerbs(c) {
		v.GroupID = "server"
		root.AddCommand(v)
	}
	root.AddCommand(hiddenVerbs()...)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return c.checkOutput(cmd) }
	strict(root)
	return root
}

// strict makes every command line that does not fit a usageError: arguments, groups of
// flags, and verbs that there are not.
func strict(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			next := cmd.CommandPath() + " --help"
			for _, cmd.SuggestionsMinimumDistance = range []int{1, 2} { // the nearest one
				if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
					next = cmd.CommandPath() + " " + like[0]
					break
				}
			}
			return usageError{fmt.Errorf("no verb %q; try `%s`", args[0], next)}
		}
		return
	}
	args := cmd.Args
	if args == nil {
		return // what is behind it goes to another program
	}
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if err := cmp.Or(args(cmd, given), cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()); err != nil {
			return usageError{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
		}
		return nil
	}
}
