package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// deepest nesting of a dashboard: a browser draws it by recursion.
const deepest = 64

// value is one of a JSON text, with where it begins.
type value struct {
	at int
	// text, number, true, false or null are in plain; of objects and lists only one of
	// these is set.
	plain   any
	members map[string]*value
	list    []*value
}

// is says what kind of value it is, in JSON's words.
func (v *value) is() string {
	switch {
	case v.members != nil:
		return "an object"
	case v.list != nil:
		return "a list"
	}
	switch v.plain.(type) {
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	}
	return "null"
}

// mistake is what is wrong at a byte of a text.
type mistake struct {
	at   int
	text string
}

func (m *mistake) Error() string { return m.text }

func wrong(at int, format string, args ...any) error {
	return &mistake{at, fmt.Sprintf(format, args...)}
}

// read the one value of a text, with the places of all that is in it.
func read(text []byte) (*value, error) {
	if !utf8.Valid(text) {
		at := 0
		for at < len(text) {
			r, n := utf8.DecodeRune(text[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return nil, wrong(at, "it is not UTF-8")
	}
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		return nil, wrong(0, "it begins with a byte order mark; save it without one")
	}
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			if syntax.Error() == "unexpected end of JSON input" {
				return nil, wrong(len(bytes.TrimRight(text, " \t\r\n")), "the text ends before the value does")
			}
			return nil, wrong(int(syntax.Offset)-1, "%v", syntax) // the offset is after what is wrong
		}
		return nil, wrong(0, "%v", err)
	}
	r := reader{text: text, d: json.NewDecoder(bytes.NewReader(text))}
	r.d.UseNumber()
	return r.value(0)
}

// reader goes through a text that is JSON.
type reader struct {
	text []byte
	d    *json.Decoder
}

// next is where the next token begins.
func (r reader) next() int {
	at := int(r.d.InputOffset())
	for at < len(r.text) && bytes.IndexByte([]byte(" \t\r\n,:"), r.text[at]) >= 0 {
		at++
	}
	return at
}

func (r reader) value(depth int) (*value, error) {
	v := &value{at: r.next()}
	if depth > deepest {
		return nil, wrong(v.at, "more than %d values are within one another", deepest)
	}
	token, err := r.d.Token()
	if err != nil {
		return nil, wrong(v.at, "%v", err)
	}
	switch token {
	case json.Delim('{'):
		v.members = map[string]*value{}
		for r.d.More() {
			at := r.next()
			key, err := r.d.Token()
			if err != nil {
				return nil, wrong(at, "%v", err)
			}
			name, _ := key.(string) // the text is JSON
			if _, twice := v.members[name]; twice {
				return nil, wrong(at, "%q is there twice", clip(name))
			}
			if v.members[name], err = r.value(depth + 1); err != nil {
				return nil, err
			}
		}
	case json.Delim('['):
		v.list = []*value{}
		for r.d.More() {
			e, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			v.list = append(v.list, e)
		}
	default:
		v.plain = token
		return v, nil
	}
	_, err = r.d.Token() // what closes it
	return v, err
}

// lineOf a byte of a text, and its column in characters; both from 1.
func lineOf(text []byte, at int) (line, column int) {
	before := text[:min(max(at, 0), len(text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}
