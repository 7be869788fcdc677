package cli

import (
	"github.com/spf13/cobra"

	"slipway.dev/observability/metrics"
)

func rulesVerb() *cobra.Command {
	v := &cobra.Command{Use: "rules", Short: "Recording and alerting rules that ship"}
	object := false
	export := &cobra.Command{
		Use: "export", Args: cobra.NoArgs,
		Short:   "Print the rules that ship, for a Prometheus of yours",
		Long:    "Print the rules that ship as one file of rules, or as a PrometheusRule for a cluster with the\nPrometheus Operator. No server is asked.",
		Example: "  slipway rules export >slipway-rules.yaml\n  slipway rules export --object | kubectl -n monitoring apply -f -",
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := metrics.ExportRules(object)
			if err == nil {
				_, err = cmd.OutOrStdout().Write(text)
			}
			return err
		},
	}
	export.Flags().BoolVar(&object, "object", false, "a PrometheusRule, and not a file of rules")
	v.AddCommand(export)
	return v
}
