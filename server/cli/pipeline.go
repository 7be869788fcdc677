package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/lint"
)

// pipelineVerb works on files and needs no server.
func pipelineVerb() *cobra.Command {
	pipeline := &cobra.Command{Use: "pipeline", Short: "Check pipeline files, without a server"}
	pipeline.AddCommand(
		fileVerb("lint FILE", "Say all that is wrong with a pipeline file, and where", lint.Lint),
		fileVerb("show FILE", "Print the plan that a pipeline file compiles to", lint.Show),
	)
	return pipeline
}

// fileVerb prints what look makes of a file; exit status 1 if that has problems.
func fileVerb(use, short string, look func(file string, content []byte, in gitlab.Context, format string) (string, bool, error)) *cobra.Command {
	var branch, format string
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		b, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		text, good, err := look(args[0], b, lint.Context("", branch, ""), format)
		if err != nil {
			return usageError{err}
		}
		fmt.Fprint(cmd.OutOrStdout(), text)
		if !good {
			return errSilent
		}
		return nil
	}}
	cmd.Flags().StringVar(&branch, "ref", "", "branch that the pipeline would run for (default the default branch)")
	cmd.Flags().StringVar(&format, "format", "", "text or json")
	return cmd
}
