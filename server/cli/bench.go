package cli

import (
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/server/bench"
)

func benchVerb() *cobra.Command {
	var o bench.Options
	cmd := &cobra.Command{
		Use: "bench", Args: cobra.NoArgs,
		Short: "Measure servers of this binary on empty directories, or wear one down with --soak",
		Long:  "Starts servers in a network namespace of their own, prints a table of what was measured and takes everything away again. Needs root; takes some minutes.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return bench.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Example, "example", "examples/hello", "directory of the example")
	cmd.Flags().StringVar(&o.Entrypoint, "entrypoint", "build/tools/tekton-entrypoint", "Tekton's own entrypoint, to compare with")
	cmd.Flags().StringVar(&o.Commands, "commands", "build/tools", "directory of helm and kustomize, to compare with")
	cmd.Flags().StringVar(&o.Console, "console", "server/console", "directory of the web page's source, to draw a dashboard in a browser")
	cmd.Flags().StringVar(&o.JSON, "json", "", "file that gets the figures as JSON")
	cmd.Flags().BoolVar(&o.Soak, "soak", false, "push, roll out and roll back while the server is killed at random moments")
	cmd.Flags().IntVar(&o.SoakRounds, "soak-rounds", 12, "rounds of --soak")
	cmd.Flags().DurationVar(&o.IdleFor, "idle", time.Minute, "how long the idle server is watched")
	cmd.Flags().StringVar(&o.Only, "only", "", "measure only the parts whose title has these words, such as \"trivial jobs\"")
	cmd.Flags().IntSliceVar(&o.Applications, "applications", []int{100, 500, 1000}, "how many applications are reconciled, in rising order")
	cmd.Flags().IntVar(&o.Lines, "lines", 1_000_000, "how many log lines are written and searched")
	cmd.Flags().StringVar(&o.Profiles, "profiles", "", "directory that gets profiles of the server while it reconciles applications")
	cmd.Flags().StringArrayVar(&o.ServerArgs, "server-arg", nil, "argument for `slipway server`, may be repeated")
	return cmd
}
