package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// exported are the columns of rows that are saved as CSV, with the fields that fill them.
var exported = []struct{ column, field string }{
	{"time", "_time"}, {"namespace", "namespace"}, {"pod", "pod"}, {"container", "container"}, {"application", "application"},
	{"release", "release"}, {"commit", "commit"}, {"run", "run"}, {"job", "job"}, {"message", "_msg"},
}

// maxRow is the longest row that is written in another form.
const maxRow = 16 << 20

// rowWriter puts rows, which come as lines of JSON, into another form as they pass.
type rowWriter struct {
	part []byte
	row  func(map[string]string) error
}

// Write takes any part of the lines; a row is written once its end was seen.
func (w *rowWriter) Write(b []byte) (int, error) {
	n := len(b)
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			if len(w.part)+len(b) > maxRow {
				return 0, fmt.Errorf("a row of more than %d bytes", maxRow)
			}
			w.part = append(w.part, b...)
			return n, nil
		}
		w.part = append(w.part, b[:end]...)
		b = b[end+1:]
		var row map[string]string
		if err := json.Unmarshal(w.part, &row); err != nil {
			return 0, err
		}
		w.part = w.part[:0]
		if err := w.row(row); err != nil {
			return 0, err
		}
	}
}

// rowsAs says how rows are written in a form, and its type and the ending of a file of it.
func rowsAs(form string, w io.Writer) (out io.Writer, contentType, ending string, err error) {
	switch form {
	case "", "json":
		return w, "application/x-ndjson", "ndjson", nil
	case "raw":
		return &rowWriter{row: func(row map[string]string) error {
			_, err := io.WriteString(w, row["_msg"]+"\n")
			return err
		}}, "text/plain; charset=utf-8", "log", nil
	case "csv":
		c := csv.NewWriter(w)
		begun := false
		write := func(cells []string) error {
			err := c.Write(cells)
			c.Flush()
			return errors.Join(err, c.Error())
		}
		cells := make([]string, len(exported))
		return &rowWriter{row: func(row map[string]string) error {
			if !begun {
				begun = true
				for i, e := range exported {
					cells[i] = e.column
				}
				if err := write(cells); err != nil {
					return err
				}
			}
			for i, e := range exported {
				cells[i] = inert(row[e.field])
			}
			return write(cells)
		}}, "text/csv; charset=utf-8", "csv", nil
	}
	return nil, "", "", refuse(http.StatusBadRequest, "", "format %q: want json, csv or raw", form)
}

// inert is a cell that no spreadsheet takes for a formula: what a pod prints is anybody's.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
