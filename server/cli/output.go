package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"slipway.dev/server/client"
)

// table is rows under a header; cells of wide columns show with -o wide only.
type table struct {
	header []string
	wide   int // how many of the last columns are wide
	rows   [][]string
}

// gap between two columns.
const gap = 3

// columns that show with an output.
func (t *table) columns(output string) int {
	if output == "wide" {
		return len(t.header)
	}
	return len(t.header) - t.wide
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// moreOutputs is the annotation of a verb with the outputs that only it has.
const moreOutputs = "outputs"

func (c *user) checkOutput(cmd *cobra.Command) error {
	own := strings.Fields(cmd.Annotations[moreOutputs])
	switch {
	case slices.Contains([]string{"", "wide", "json", "yaml"}, c.output), slices.Contains(own, c.output):
		return nil
	}
	return usageError{fmt.Errorf("-o %q: want %s", c.output, strings.Join(append(own, "json", "yaml or wide"), ", "))}
}

// print writes v as the user asked: as JSON, as YAML or as the table.
func (c *user) print(w io.Writer, v any, t table) error {
	switch c.output {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	case "yaml":
		b, err := yaml.Marshal(v)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	}
	show := t.columns(c.output)
	tw := tabwriter.NewWriter(w, 0, 4, gap, ' ', 0)
	fmt.Fprintln(tw, strings.Join(t.header[:show], "\t"))
	for _, r := range t.rows {
		fmt.Fprintln(tw, strings.Join(r[:show], "\t"))
	}
	return tw.Flush()
}

func short(commit string) string { return commit[:min(8, len(commit))] }

func age(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := time.Since(t).Round(time.Second)
	switch {
	case d < 2*time.Minute:
		return d.String()
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// user is the person at the command line: a client, and how to print.
type user struct {
	client.Client
	output string
}
