package cli

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/spf13/cobra"
)

func imageVerb(c *user) *cobra.Command {
	image := &cobra.Command{Use: "image", Short: "Images of the embedded registry"}
	image.AddCommand(&cobra.Command{
		Use: "seed NAME FILE", Args: cobra.ExactArgs(2),
		Short: "Serve a base image from a file, for builds without a network",
		Long:  "Serve the image of FILE (docker save, an OCI archive or a directory with an OCI layout) under NAME, such as debian:bookworm or ghcr.io/org/base:1.",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openArchive(args[1])
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

// openArchive opens a file, or packs a directory while it is read.
func openArchive(path string) (io.ReadCloser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.Open(path)
	}
	r, w := io.Pipe()
	go func() {
		archive := tar.NewWriter(w)
		err := archive.AddFS(os.DirFS(path))
		w.CloseWithError(errors.Join(err, archive.Close()))
	}()
	return r, nil
}
