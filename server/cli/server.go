package cli

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"slipway.dev/server/config"
	"slipway.dev/server/daemon"
)

func serverVerb() *cobra.Command {
	conf := config.Default()
	file := ""
	cmd := &cobra.Command{
		Use: "server", Args: cobra.NoArgs,
		Short: "Run the server; without any configuration it runs everything",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(&conf, cmd.LocalFlags(), file); err != nil {
				return usageError{err}
			}
			log, err := logger(conf)
			if err != nil {
				return usageError{err}
			}
			slog.SetDefault(log)
			return daemon.Run(cmd.Context(), conf, log, cmd.OutOrStdout())
		},
	}
	conf.Flags(cmd.Flags())
	cmd.Flags().StringVarP(&file, "config", "c", os.Getenv("SLIPWAY_CONFIG"), "configuration file (YAML)")
	return cmd
}

func logger(c config.Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, err
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts)), nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts)), nil
}
