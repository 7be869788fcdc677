package elastic

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"slipway.dev/observability/logs"
)

const (
	// maxDocument is how large one document may be.
	maxDocument = 1 << 20
	// maxFields is how many fields one document, and all of an index, may have.
	maxFields = 1000
	// maxName is how long the name of a field may be.
	maxName = 128
)

// A document is stored as its leaves, each under its path. What was no string is noted
// with its path, so that the document comes back as it came.
const (
	wasNumber  = 'n'
	wasBoolean = 'b'
	wasJSON    = 'j' // an array
	wasNull    = 'z'
	wasEmpty   = 'e' // an empty string
	wasObject  = 'o' // an empty object
)

// flattener turns documents into fields. What it returns is good until the next document.
type flattener struct {
	fields []logs.Field
	kinds  []byte
	path   []byte
	values []byte
	// notes remembers the encoded notes: many documents are alike.
	notes map[string]string
	at    int64
	timed bool
	err   error
}

// flatten reads the leaves of doc. Time is @timestamp, or now where there is none.
func (f *flattener) flatten(doc *fastjson.Value, now int64) error {
	f.fields, f.kinds, f.path, f.values = f.fields[:0], f.kinds[:0], f.path[:0], f.values[:0]
	f.at, f.timed, f.err = now, false, nil
	o, err := doc.Object()
	if err != nil {
		return refuse(400, "document_parsing_exception", "a document is an object, not %s", doc.Type())
	}
	f.object(o, 0)
	if f.err == nil && len(f.kinds) > 0 {
		f.fields = append(f.fields, logs.Field{Name: typesField, Value: f.note()})
	}
	return f.err
}

func (f *flattener) fail(format string, args ...any) {
	if f.err == nil {
		f.err = refuse(400, "document_parsing_exception", format, args...)
	}
}

func (f *flattener) object(o *fastjson.Object, depth int) {
	if depth > maxDepth {
		f.fail("document is nested deeper than %d levels", maxDepth)
		return
	}
	length := len(f.path)
	o.Visit(func(key []byte, v *fastjson.Value) {
		if f.err != nil {
			return
		}
		f.path = f.path[:length]
		if length > 0 {
			f.path = append(f.path, '.')
		}
		f.path = append(f.path, key...)
		switch {
		case len(f.path) > maxName:
			f.fail("name of field [%.60s…] is longer than %d bytes", f.path, maxName)
			return
		case len(key) == 0:
			f.fail("name of a field is empty")
			return
		case length == 0 && key[0] == '_' && hidden(string(key)):
			f.fail("Field [%s] is a metadata field and cannot be added inside a document.", key)
			return
		case strings.IndexByte(string(key), '\n') >= 0:
			f.fail("name of field [%.60q] has a line break", key)
			return
		}
		f.value(v, depth)
	})
	f.path = f.path[:length]
}

func (f *flattener) value(v *fastjson.Value, depth int) {
	if string(f.path) == timeName {
		f.time(v)
		return
	}
	switch v.Type() {
	case fastjson.TypeString:
		s := v.GetStringBytes()
		if len(s) == 0 {
			f.add(wasEmpty, "")
			return
		}
		f.add(0, string(s))
	case fastjson.TypeNumber:
		f.add(wasNumber, f.marshal(v))
	case fastjson.TypeTrue:
		f.add(wasBoolean, "true")
	case fastjson.TypeFalse:
		f.add(wasBoolean, "false")
	case fastjson.TypeNull:
		f.add(wasNull, "")
	case fastjson.TypeArray:
		f.add(wasJSON, f.marshal(v))
	case fastjson.TypeObject:
		o, _ := v.Object()
		if o.Len() == 0 {
			f.add(wasObject, "")
			return
		}
		f.object(o, depth+1)
	}
}

func (f *flattener) marshal(v *fastjson.Value) string {
	f.values = v.MarshalTo(f.values[:0])
	return string(f.values)
}

func (f *flattener) add(kind byte, value string) {
	if kind != 0 {
		f.kinds = append(append(append(f.kinds, kind), f.path...), '\n')
	}
	if value == "" {
		return
	}
	if len(f.fields) >= maxFields {
		f.fail("Limit of total fields [%d] has been exceeded by field [%s]", maxFields, f.path)
		return
	}
	name := string(f.path)
	if name == messageName {
		name = "_msg"
	}
	f.fields = append(f.fields, logs.Field{Name: name, Value: value})
}

func (f *flattener) time(v *fastjson.Value) {
	f.timed = true
	switch v.Type() {
	case fastjson.TypeString:
		s := string(v.GetStringBytes())
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			if t, err = plainDate(s, time.UTC, false); err != nil {
				f.fail("failed to parse field [%s] of type [date]: [%.60s]", timeName, s)
				return
			}
		}
		f.at = t.UnixNano()
	case fastjson.TypeNumber:
		n := v.GetFloat64()
		if n < 0 || n > 9e12 {
			f.fail("failed to parse field [%s] of type [date]: [%v]", timeName, n)
			return
		}
		f.at = int64(spread(n, time.Millisecond))
	default:
		f.fail("failed to parse field [%s] of type [date]: want a string or a number", timeName)
	}
}

// note encodes the kinds. It is one word that nobody searches for.
func (f *flattener) note() string {
	if s, ok := f.notes[string(f.kinds)]; ok {
		return s
	}
	s := base64.RawURLEncoding.EncodeToString(f.kinds)
	if f.notes == nil || len(f.notes) > 1000 {
		f.notes = map[string]string{}
	}
	f.notes[string(f.kinds)] = s
	return s
}

// kindsOf reads a note.
func kindsOf(note string) map[string]byte {
	b, err := base64.RawURLEncoding.DecodeString(note)
	if err != nil {
		return nil
	}
	kinds := map[string]byte{}
	for line := range strings.Lines(string(b)) {
		kinds[strings.TrimSuffix(line[1:], "\n")] = line[0]
	}
	return kinds
}

// source puts the fields of a row back together.
func source(row map[string]string) map[string]any {
	kinds := kindsOf(row[typesField])
	doc := map[string]any{timeName: row["_time"]}
	for name, v := range row {
		if hidden(name) {
			continue
		}
		name = shown(name)
		put(doc, name, typed(v, kinds[name]))
	}
	for name, kind := range kinds {
		switch kind {
		case wasNull:
			put(doc, name, nil)
		case wasEmpty:
			put(doc, name, "")
		case wasObject:
			put(doc, name, map[string]any{})
		}
	}
	return doc
}

func typed(v string, kind byte) any {
	switch kind {
	case wasNumber:
		if json.Valid([]byte(v)) {
			return json.Number(v)
		}
	case wasBoolean:
		if b, err := strconv.ParseBool(v); err == nil {
			return b
		}
	case wasJSON:
		if json.Valid([]byte(v)) {
			return json.RawMessage(v)
		}
	}
	return v
}

// put sets a.b.c as objects in objects; where something else is in the way, the name
// stays as it is.
func put(doc map[string]any, name string, v any) {
	at := doc
	rest := name
	for {
		head, tail, more := strings.Cut(rest, ".")
		if !more || head == "" || tail == "" {
			break
		}
		next, there := at[head]
		m, ok := next.(map[string]any)
		if there && !ok {
			doc[name] = v
			return
		}
		if !there {
			m = map[string]any{}
			at[head] = m
		}
		at, rest = m, tail
	}
	if old, there := at[rest]; there {
		if m, ok := old.(map[string]any); ok && len(m) > 0 {
			doc[name] = v
			return
		}
	}
	at[rest] = v
}
