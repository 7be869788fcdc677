package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"slipway.dev/server/client"
)

// watching is the flag -w of a verb that shows objects of one kind.
type watching struct {
	kind string
	on   bool
}

func watchFlag(cmd *cobra.Command, kind string) *watching {
	w := &watching{kind: kind}
	cmd.Flags().BoolVarP(&w.on, "watch", "w", false, "go on and print what changes, until interrupted")
	return w
}

// object is what a list has.
type object[T any] interface {
	*T
	GetName() string
	GetResourceVersion() string
}

// show prints v, whose objects are items, and with -w each of them again when it changes,
// and others that are mine as they come.
func show[T any, P object[T]](c *user, cmd *cobra.Command, w *watching, v any, items []T, mine func(P) bool, rows func([]T) table) error {
	first := rows(items)
	if err := c.print(cmd.OutOrStdout(), v, first); err != nil || !w.on {
		return err
	}
	versions := map[string]string{}
	for i := range items {
		versions[P(&items[i]).GetName()] = P(&items[i]).GetResourceVersion()
	}
	page := newPage(c.output, first)
	err := c.Watch(cmd.Context(), func(change client.Change) (bool, error) {
		if change.Kind != w.kind {
			return false, nil
		}
		var o T
		if err := json.Unmarshal(change.Object, &o); err != nil {
			return false, err
		}
		name, version := P(&o).GetName(), P(&o).GetResourceVersion()
		if !mine(&o) || versions[name] == version {
			return false, nil
		}
		versions[name] = version
		if c.output == "json" || c.output == "yaml" {
			if c.output == "yaml" {
				fmt.Fprintln(cmd.OutOrStdout(), "---")
			}
			return false, c.print(cmd.OutOrStdout(), &o, table{})
		}
		return false, page.add(cmd.OutOrStdout(), rows([]T{o}), change.Type == "DELETED")
	})
	if cmd.Context().Err() != nil {
		return nil // interrupted, as it was to be
	}
	return err
}

// page goes on where a table ended, in the same columns.
type page struct {
	shown  int // columns
	aged   []int
	widths []int
	last   map[string]string // what a row said, its age aside
}

func newPage(output string, t table) *page {
	p := &page{shown: t.columns(output), last: map[string]string{}}
	for i := range p.shown {
		if t.header[i] == "AGE" {
			p.aged = append(p.aged, i)
		}
		width := utf8.RuneCountInString(t.header[i])
		for _, r := range t.rows {
			width = max(width, utf8.RuneCountInString(r[i]))
		}
		p.widths = append(p.widths, width+gap)
	}
	for _, r := range t.rows {
		p.last[r[0]] = p.said(r)
	}
	return p
}

func (p *page) said(row []string) string {
	row = slices.Clone(row[:p.shown])
	for _, i := range p.aged {
		row[i] = ""
	}
	return strings.Join(row, "\t")
}

// add prints the rows that say something new.
func (p *page) add(w io.Writer, t table, deleted bool) error {
	for _, r := range t.rows {
		if deleted {
			r = append([]string{r[0] + " (deleted)"}, r[1:]...)
		}
		if said := p.said(r); p.last[r[0]] != said {
			p.last[r[0]] = said
			var line strings.Builder
			for i, cell := range r[:p.shown] {
				line.WriteString(cell + strings.Repeat(" ", max(gap, p.widths[i]-utf8.RuneCountInString(cell))))
			}
			if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
				return err
			}
		}
	}
	return nil
}

// told says a line when it differs from the one before: progress of waits, on the side.
func told(w io.Writer) func(format string, args ...any) {
	last := ""
	return func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != last {
			last = text
			fmt.Fprintln(w, text)
		}
	}
}
