package logs

import (
	"context"
	"io"
	"sort"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// Context writes the lines around one, oldest first, as lines of JSON.
func (s *Store) Context(ctx context.Context, w io.Writer, a Around) error {
	before, after := a.queries()
	var rows []found
	for _, sel := range []Selection{before, after} {
		err := s.Select(ctx, sel, func(fields []Field) { rows = append(rows, show(fields)) })
		if err != nil {
			return err
		}
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].at.Before(rows[j].at) })
	for _, r := range rows {
		if _, err := w.Write(append(r.json, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// show is a row as a search shows it: without what is of use to the store only.
func show(fields []Field) found {
	var f found
	var shown []logstorage.Field
	for _, field := range fields {
		switch field.Name {
		case "_time":
			f.at = timeOf(field.Value)
		case ChunkField, NumberField, IndexField, "_stream", "_stream_id", "_types":
			continue
		}
		shown = append(shown, field)
	}
	f.json = logstorage.MarshalFieldsToJSON(nil, shown)
	return f
}
