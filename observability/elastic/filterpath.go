package elastic

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path"
	"strings"

	"github.com/valyala/fastjson"
)

const (
	// maxFilterPaths is how many parts of an answer may be asked for, maxFilterPath how
	// long all of them are together.
	maxFilterPaths = 50
	maxFilterPath  = 4 << 10
)

// filterPaths are the parameter filter_path: the parts of an answer that are wanted, and,
// behind a minus, those that are not. A * is any name or a part of one, ** any names.
type filterPaths struct{ want, leave [][]string }

func filterPathsOf(text string) (f filterPaths, err error) {
	if len(text) > maxFilterPath || strings.Count(text, ",") >= maxFilterPaths {
		return f, illegal("filter_path has more than %d parts, or more than %d characters", maxFilterPaths, maxFilterPath)
	}
	for p := range strings.SplitSeq(text, ",") {
		p = strings.TrimSpace(p)
		if rest, ok := strings.CutPrefix(p, "-"); ok {
			f.leave = append(f.leave, strings.Split(rest, "."))
		} else if p != "" {
			f.want = append(f.want, strings.Split(p, "."))
		}
	}
	return f, nil
}

// of is what is left of an answer. One is as large as its request was, and its items are
// alike: what is known of a name is kept for the next.
func (f filterPaths) of(v *fastjson.Value) []byte {
	root := &place{want: f.want, leave: f.leave}
	if len(f.want) == 0 {
		root.want = [][]string{nil}
	}
	if out, ok := root.left(nil, v); ok {
		return out
	}
	return []byte("{}")
}

// place is one in the answer: the paths that go on behind it, and its name as it is written.
type place struct {
	want, leave [][]string
	name        []byte
	inner       map[string]*place
}

// beyond is the place behind a name, nil if nothing there is wanted.
func (p *place) beyond(name []byte) *place {
	if next, ok := p.inner[string(name)]; ok {
		return next
	}
	next := &place{want: p.want, leave: beyond(p.leave, string(name))}
	if !ended(p.want) {
		next.want = beyond(p.want, string(name))
	}
	next.name, _ = json.Marshal(string(name)) // a string has an encoding
	if len(next.want) == 0 || ended(next.leave) {
		next = nil
	}
	if p.inner == nil {
		p.inner = map[string]*place{}
	}
	p.inner[string(name)] = next
	return next
}

// left appends what is left of v, and is false if that is nothing.
func (p *place) left(out []byte, v *fastjson.Value) ([]byte, bool) {
	all := ended(p.want)
	if all && len(p.leave) == 0 {
		return v.MarshalTo(out), true
	}
	inside := false
	add := func(at *place, v *fastjson.Value) {
		before := len(out)
		if inside {
			out = append(out, ',')
		}
		if at != p {
			out = append(append(out, at.name...), ':')
		}
		var ok bool
		if out, ok = at.left(out, v); !ok {
			out = out[:before]
		}
		inside = inside || ok
	}
	switch v.Type() {
	case fastjson.TypeObject:
		o, _ := v.Object()
		out = append(out, '{')
		o.Visit(func(name []byte, v *fastjson.Value) {
			if next := p.beyond(name); next != nil {
				add(next, v)
			}
		})
		return append(out, '}'), all || inside
	case fastjson.TypeArray:
		values, _ := v.Array()
		out = append(out, '[')
		for _, v := range values {
			add(p, v)
		}
		return append(out, ']'), all || inside
	default:
		return v.MarshalTo(out), all
	}
}

// beyond are the paths behind a name.
func beyond(paths [][]string, name string) (next [][]string) {
	for _, p := range paths {
		if len(p) == 0 {
			continue
		}
		if p[0] == "**" {
			next = append(next, p)
			p = p[1:]
			if len(p) == 0 {
				next = append(next, nil)
				continue
			}
		}
		if ok, err := path.Match(p[0], name); ok && err == nil {
			next = append(next, p[1:])
		}
	}
	return next
}

func ended(paths [][]string) bool {
	for _, p := range paths {
		if len(p) == 0 {
			return true
		}
	}
	return false
}

// parsers keep the memory of an answer's values for the next.
var parsers fastjson.ParserPool

// filteredWriter keeps a good answer until it is whole, and then writes what is wanted of it.
type filteredWriter struct {
	http.ResponseWriter
	paths  filterPaths
	status int
	body   bytes.Buffer
}

func (f *filteredWriter) WriteHeader(status int) { f.status = status }

func (f *filteredWriter) Write(b []byte) (int, error) { return f.body.Write(b) }

func (f *filteredWriter) end() {
	if f.status == 0 {
		f.status = http.StatusOK
	}
	body := f.body.Bytes()
	if f.status < http.StatusBadRequest {
		parser := parsers.Get()
		defer parsers.Put(parser)
		if v, err := parser.ParseBytes(body); err == nil { // a table of _cat is none
			body = f.paths.of(v)
		}
	}
	f.ResponseWriter.Header().Del("Content-Length")
	f.ResponseWriter.WriteHeader(f.status)
	_, _ = f.ResponseWriter.Write(body)
}
