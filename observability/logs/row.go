package logs

import (
	"maps"
	"slices"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// Field is a name with its value; "_msg" is the line.
type Field = logstorage.Field

// Row is one line with what is known of it.
type Row struct {
	// Time in nanoseconds since 1970.
	Time   int64
	Fields []Field
	// Stream is how many of the first fields tell its stream from others. Streams are
	// few: what a sender may choose freely is none of them.
	Stream int
}

// streamFields tell one stream of lines from another.
var streamFields = []string{"namespace", IndexField, "pod", "container"}

// NewRow makes a row of fields by name, with the stream of a container's lines.
func NewRow(at int64, fields map[string]string) Row {
	r := Row{Time: at, Fields: make([]Field, 0, len(fields))}
	for _, name := range streamFields {
		if v, ok := fields[name]; ok {
			r.Fields = append(r.Fields, Field{Name: name, Value: v})
		}
	}
	r.Stream = len(r.Fields)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(streamFields, name) {
			r.Fields = append(r.Fields, Field{Name: name, Value: fields[name]})
		}
	}
	return r
}

// Get is the value of a field, or nothing.
func (r Row) Get(name string) string {
	for _, f := range r.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Index is the data stream of a row, in the words of the Elasticsearch API: the one that
// it came with, or that of the lines of its namespace's pods.
func (r Row) Index() string {
	if v := r.Get(IndexField); v != "" {
		return v
	}
	return PodsIndex + r.Get("namespace")
}

const (
	// IndexField holds the data stream that a row belongs to.
	IndexField = "_index"
	// PodsIndex begins the name of the data stream that a namespace's pods write.
	PodsIndex = "logs-pods-"
)
