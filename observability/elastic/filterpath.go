package elastic

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path"
	"strings"
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

// of is what is left of an answer.
func (f filterPaths) of(v any) any {
	if len(f.leave) > 0 {
		v = without(v, f.leave)
	}
	if len(f.want) == 0 {
		return v
	}
	if v, ok := only(v, f.want); ok {
		return v
	}
	return map[string]any{}
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

func only(v any, paths [][]string) (any, bool) {
	if ended(paths) {
		return v, true
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range v {
			if next := beyond(paths, name); len(next) > 0 {
				if inner, ok := only(inner, next); ok {
					out[name] = inner
				}
			}
		}
		return out, len(out) > 0
	case []any:
		var out []any
		for _, inner := range v {
			if inner, ok := only(inner, paths); ok {
				out = append(out, inner)
			}
		}
		return out, len(out) > 0
	}
	return nil, false
}

func without(v any, paths [][]string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range v {
			if next := beyond(paths, name); !ended(next) {
				out[name] = without(inner, next)
			}
		}
		return out
	case []any:
		for i := range v {
			v[i] = without(v[i], paths)
		}
	}
	return v
}

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
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if f.status < http.StatusBadRequest && d.Decode(&v) == nil { // a table of _cat is none
		if b, err := json.Marshal(f.paths.of(v)); err == nil {
			body = b
		}
	}
	f.ResponseWriter.Header().Del("Content-Length")
	f.ResponseWriter.WriteHeader(f.status)
	_, _ = f.ResponseWriter.Write(body)
}
