package cli

import (
	"fmt"
	"net/url"
	"os"

	"github.com/spf13/cobra"
)

func imageVerb(c *user) *cobra.Command {
	image := &cobra.Command{Use: "image", Short: "Images of the embedded registry"}
	image.AddCommand(&cobra.Command{
		Use: "seed NAME FILE", Args: cobra.ExactArgs(2),
		Short: "Serve a base image from a file, for builds without a network",
		Long:  "Serve the image of FILE (docker save or an OCI archive) under NAME, such as debian:bookworm or ghcr.io/org/base:1.",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[1])
			if err != nil {
				return err
			}
			defer f.Close()
			var made struct{ Name, Digest string }
			if err := c.Call(cmd.Context(), "POST", "/api/v1/images?name="+url.QueryEscape(args[0]), f, &made); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s@%s\n", made.Name, made.Digest)
			return nil
		},
	})
	return image
}
