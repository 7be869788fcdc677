package logs

import (
	"encoding/json"
	"slices"
	"strings"
)

const (
	// maxOwnFields is how many fields a line of JSON may bring, maxOwnNames how many
	// different ones the lines of one file may.
	maxOwnFields = 64
	maxOwnNames  = 256
	// maxOwnDepth is how deep they may lie.
	maxOwnDepth = 4
	// maxOwnLine is the longest line that is read as JSON, maxOwnValue the longest value
	// that is a field: a longer one is in the line alone.
	maxOwnLine, maxOwnValue = 32 << 10, 4 << 10
)

// reserved are fields that say where a line comes from, and which no line says of itself.
var reserved = append([]string{"node", "stream", "application", "release", "commit", "run", "job", "claimed_time", "message", "@timestamp", LeftOut}, streamFields...)

// ownName is what a field of a line's own is called.
func ownName(name string) string {
	if strings.HasPrefix(name, "_") || strings.HasPrefix(name, "labels.") || strings.HasPrefix(name, "record.") || slices.Contains(reserved, name) {
		return "record." + name
	}
	return name
}

// structured reads lines that programs print as JSON, one object a line. The line stays as
// it is, and its members are fields besides, so that they can be counted and searched for.
type structured struct {
	// names that lines of this file had.
	names map[string]bool
}

// fields of a line; none where it is no object. What is too much is left out, and named.
func (s *structured) fields(text string) []Field {
	if len(text) < 2 || len(text) > maxOwnLine || text[0] != '{' || text[len(text)-1] != '}' {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var members map[string]any
	if d.Decode(&members) != nil || d.More() {
		return nil
	}
	r := reading{of: s}
	r.object("", members, 0)
	if r.left != "" {
		r.out = append(r.out, Field{Name: LeftOut, Value: cut(r.left, 60)})
	}
	return r.out
}

type reading struct {
	of   *structured
	out  []Field
	left string
}

func (r *reading) object(path string, members map[string]any, depth int) {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names) // what is left out is the same each time
	for _, name := range names {
		full, v := path+name, members[name]
		if inner, ok := v.(map[string]any); ok && depth < maxOwnDepth {
			r.object(full+".", inner, depth+1)
			continue
		}
		r.put(ownName(full), v)
	}
}

func (r *reading) put(name string, v any) {
	text := ""
	switch v := v.(type) {
	case nil:
	case string:
		text = v
	case json.Number:
		text = v.String()
	default:
		b, _ := json.Marshal(v) // came as JSON
		text = string(b)
	}
	if text == "" {
		return
	}
	if slices.ContainsFunc(r.out, func(f Field) bool { return f.Name == name }) {
		return // {"a": {"b": 1}, "a.b": 2}
	}
	if len(name) > maxFieldName || len(text) > maxOwnValue || len(r.out) >= maxOwnFields || !r.of.know(name) {
		r.left = name
		return
	}
	r.out = append(r.out, Field{Name: name, Value: text})
}

func (s *structured) know(name string) bool {
	if s.names[name] {
		return true
	}
	if len(s.names) >= maxOwnNames {
		return false
	}
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[name] = true
	return true
}
