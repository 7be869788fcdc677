package elastic

import (
	"strings"

	"slipway.dev/observability/logs"
)

// Kinds of fields, as mappings name them.
const (
	kindText    = "text"
	kindKeyword = "keyword"
	kindDate    = "date"
	kindLong    = "long"
	kindDouble  = "double"
	kindBoolean = "boolean"
	kindObject  = "object"
)

const (
	timeName    = "@timestamp"
	messageName = "message"
	idName      = "_id"
	// typesField keeps which fields of a document were no strings.
	typesField = "_types"
)

// labels are the fields that collection adds: words of their own, never text.
var labels = map[string]bool{
	"namespace": true, "pod": true, "container": true, "stream": true, "node": true, "application": true, "release": true,
	"commit": true, "run": true, "job": true, "level": true, logs.IndexField: true, idName: true,
}

// field is a field of a query in the store's words.
type field struct {
	// name is the store's name; "" with any.
	name string
	// any stands for every field, or those that begin with name.
	any bool
	// kind is how its values are compared.
	kind string
}

// fieldOf reads a field's name as requests write it.
func (c *compiler) fieldOf(name string) field {
	// A boost counts for nothing where hits have no score.
	name, _, _ = strings.Cut(name, "^")
	base, exact := strings.CutSuffix(name, ".keyword")
	switch {
	case name == "*" || name == "_all":
		return field{any: true, kind: kindText}
	case strings.HasSuffix(name, "*"):
		return field{name: strings.TrimSuffix(name, "*"), any: true, kind: kindText}
	case name == timeName:
		return field{name: "_time", kind: kindDate}
	case base == messageName && exact:
		return field{name: "_msg", kind: kindKeyword}
	case base == messageName:
		return field{name: "_msg", kind: kindText}
	case exact || labels[base]:
		return field{name: base, kind: kindKeyword}
	}
	if c.kinds != nil {
		if kind := c.kinds(name); kind != "" {
			return field{name: name, kind: kind}
		}
	}
	return field{name: name, kind: kindText}
}

// prefix is what a filter of LogsQL begins with to mean the field.
func (f field) prefix() string {
	switch {
	case f.any && f.name == "":
		return "*:"
	case f.any:
		return logs.Quote(f.name) + "*:"
	case f.name == "_time":
		return "_time:"
	}
	return logs.Quote(f.name) + ":"
}

// shown is the name under which the API shows a field of the store.
func shown(name string) string {
	switch name {
	case "_time":
		return timeName
	case "_msg":
		return messageName
	}
	return name
}

// stored is the store's name of a field of a document.
func stored(name string) string {
	switch name {
	case timeName:
		return "_time"
	case messageName:
		return "_msg"
	}
	return strings.TrimSuffix(name, ".keyword")
}

// hidden are the store's own fields, which no document shows.
func hidden(name string) bool {
	switch name {
	case logs.ChunkField, logs.NumberField, logs.IndexField, typesField, idName, "_stream", "_stream_id", "_time":
		return true
	}
	return false
}
