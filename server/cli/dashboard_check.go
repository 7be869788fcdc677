package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"slipway.dev/observability/dashboard"
)

// dashboardCheck reads files of a working copy as the server would.
func dashboardCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE...]", Args: cobra.ArbitraryArgs,
		Short:   "Say what is wrong with files of dashboards of a working copy: FILE:LINE:COLUMN",
		Long:    "Say what is wrong with files of dashboards of a working copy, each as FILE:LINE:COLUMN. Without files,\nthose of the directory " + dashboard.Directory + " here. No server is asked.",
		Example: "  slipway dashboard check\n  slipway dashboard check dashboards/shop.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := dashboardFiles(args)
			if err != nil {
				return err
			}
			all, bad := dashboard.Read(files, nil)
			for _, p := range bad {
				fmt.Fprintln(cmd.OutOrStdout(), printable(p.Error()))
			}
			if len(bad) > 0 {
				return fmt.Errorf("%d of the dashboards are bad, %d are good", len(bad), len(all))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d dashboards are good\n", len(all))
			return nil
		},
	}
}

// dashboardFiles that are named, or those of the directory here.
func dashboardFiles(named []string) ([]dashboard.File, error) {
	if len(named) == 0 {
		in, err := os.ReadDir(dashboard.Directory)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no directory %s here; name the files", dashboard.Directory)
		}
		if err != nil {
			return nil, err
		}
		for _, e := range in {
			named = append(named, filepath.Join(dashboard.Directory, e.Name()))
		}
	} else {
		for _, name := range named {
			if !dashboard.IsFile(name) {
				return nil, fmt.Errorf("%s: only .json, .yaml and .yml are read", name)
			}
		}
	}
	var entries []dashboard.Entry
	for _, name := range named {
		info, err := os.Lstat(name)
		if err != nil {
			return nil, err
		}
		e := dashboard.Entry{Path: name, Size: info.Size()}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			e.Not = "a symbolic link"
		case info.IsDir():
			e.Not = "a directory"
		case !info.Mode().IsRegular():
			e.Not = "no regular file"
		}
		entries = append(entries, e)
	}
	return dashboard.Collect(entries, os.ReadFile)
}
