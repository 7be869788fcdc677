package cli

import (
	"github.com/spf13/cobra"

	"slipway.dev/server/demo"
)

func demoVerb(c *user) *cobra.Command {
	o := demo.Options{Client: &c.Client, Name: "hello"}
	cmd := &cobra.Command{Use: "demo", Args: cobra.NoArgs, Short: "Start a server and show the whole way of a push", RunE: func(cmd *cobra.Command, _ []string) error {
		o.Out = cmd.OutOrStdout()
		return demo.Run(cmd.Context(), o)
	}}
	cmd.Flags().StringVar(&o.Example, "example", "examples/hello", "directory of the example")
	cmd.Flags().StringArrayVar(&o.ServerArgs, "server-arg", nil, "argument for `slipway server`, may be repeated")
	return cmd
}
