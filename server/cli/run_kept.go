package cli

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"slipway.dev/pipelines/coverage"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/run"
)

// runTests compares a run with the one before it on its ref.
func runTests(c *user) *cobra.Command {
	return &cobra.Command{Use: "tests NAME", Short: "Compare the tests and the coverage of a run with the run before it on its ref", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		var r run.Comparison
		if err := c.Call(cmd.Context(), "GET", c.Path("runs", args[0], "tests"), nil, &r); err != nil {
			return err
		}
		t := table{header: []string{"NOW", "JOB", "TEST", "CLASS", "MESSAGE"}, wide: 1}
		for _, group := range []struct {
			now   string
			tests []run.JobTest
		}{{"broken", r.Broken}, {"failing", r.Failing}, {"fixed", r.Fixed}} {
			for _, test := range group.tests {
				t.add(group.now, test.Job, test.Name, test.Class, test.Message)
			}
		}
		if c.output == "" || c.output == "wide" {
			w := cmd.OutOrStdout()
			if r.Tests != nil {
				fmt.Fprintf(w, "%d tests, %d failed, %d errors, %d skipped\n", r.Tests.Total, r.Tests.Failed, r.Tests.Errors, r.Tests.Skipped)
			}
			if r.Coverage != "" {
				fmt.Fprintf(w, "coverage %s %%\n", r.Coverage)
			}
			switch {
			case r.Previous == "":
				fmt.Fprintln(w, "no run before it on its ref has tests or a coverage")
			case r.PreviousCoverage != "":
				fmt.Fprintf(w, "compared with %s, which had a coverage of %s %%\n", r.Previous, r.PreviousCoverage)
			default:
				fmt.Fprintf(w, "compared with %s\n", r.Previous)
			}
			if len(t.rows) == 0 {
				return nil
			}
		}
		return c.print(cmd.OutOrStdout(), &r, t)
	}}
}

// runCoverage compares the coverage reports of a run, or shows one job's by file.
func runCoverage(c *user) *cobra.Command {
	return &cobra.Command{Use: "coverage RUN [JOB]", Short: "Compare the coverage reports of a run with the run before it on its ref, or show a job's by file", Args: cobra.RangeArgs(1, 2), RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) == 2 {
			var r coverage.Report
			if err := c.Call(cmd.Context(), "GET", c.Path("runs", args[0], "jobs", args[1], "coverage"), nil, &r); err != nil {
				return err
			}
			t := table{header: []string{"COVERED", "LINES", "FILE", "MISSED"}, wide: 1}
			for _, f := range r.Files {
				t.add(coverage.Percent(f.Covered, f.Lines)+" %", strconv.Itoa(f.Lines), f.Path, f.Missed)
			}
			return c.print(cmd.OutOrStdout(), &r, t)
		}
		var r run.CoverageComparison
		if err := c.Call(cmd.Context(), "GET", c.Path("runs", args[0], "coverage"), nil, &r); err != nil {
			return err
		}
		if c.output == "" || c.output == "wide" {
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%d of %d lines, %s %%\n", r.Covered, r.Lines, r.Percent)
			if r.Previous == "" {
				fmt.Fprintln(w, "no run before it on its ref has a coverage report")
				return nil
			}
			fmt.Fprintf(w, "compared with %s: %d of %d lines, %s %%\n", r.Previous, r.PreviousCovered, r.PreviousLines, r.PreviousPercent)
			if len(r.Files) == 0 {
				return nil
			}
		}
		t := table{header: []string{"NOW", "BEFORE", "FILE"}}
		for _, f := range r.Files {
			t.add(fmt.Sprintf("%d/%d", f.Covered, f.Lines), fmt.Sprintf("%d/%d", f.BeforeCovered, f.BeforeLines), f.Path)
		}
		return c.print(cmd.OutOrStdout(), &r, t)
	}}
}

// runArtifacts lists the files that a job kept, prints one of them, or saves them all.
func runArtifacts(c *user) *cobra.Command {
	var archive string
	cmd := &cobra.Command{
		Use: "artifacts RUN JOB [PATH]", Short: "List the files that a job kept, print the one at PATH, or save them all with --archive", Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			base := c.Path("runs", args[0], "jobs", args[1], "artifacts")
			switch {
			case len(args) == 3 && archive != "":
				return usageError{errors.New("--archive saves all files: give no PATH")}
			case len(args) == 3:
				return c.Copy(cmd.Context(), cmd.OutOrStdout(), base+"/file?path="+url.QueryEscape(args[2]))
			case archive != "":
				f, err := os.Create(archive)
				if err != nil {
					return err
				}
				return errors.Join(c.Copy(cmd.Context(), f, base), f.Close())
			}
			var index struct {
				Entries []jobapi.Entry `json:"entries"`
				Cut     bool           `json:"cut,omitempty"`
			}
			if err := c.Call(cmd.Context(), "GET", base+"/index", nil, &index); err != nil {
				return err
			}
			t := table{header: []string{"MODE", "SIZE", "PATH"}}
			for _, e := range index.Entries {
				t.add(e.Mode, strconv.FormatInt(e.Size, 10), e.Path)
			}
			return c.print(cmd.OutOrStdout(), &index, t)
		},
	}
	cmd.Flags().StringVar(&archive, "archive", "", "save all files as a zip at this path")
	return cmd
}
