package elastic

import "strings"

// sourceFilter says which fields of a document a hit shows.
type sourceFilter struct {
	off                bool
	includes, excludes []string
}

func readSource(v any, param func(string) string) (sourceFilter, error) {
	f := sourceFilter{}
	split := func(s string) []string {
		if s == "" {
			return nil
		}
		return strings.Split(s, ",")
	}
	switch s := param("_source"); s {
	case "", "true":
	case "false":
		f.off = true
	default:
		f.includes = split(s)
	}
	f.includes = append(f.includes, split(param("_source_includes"))...)
	f.excludes = append(f.excludes, split(param("_source_excludes"))...)
	switch v := v.(type) {
	case nil:
		return f, nil
	case bool:
		f.off = !v
		return f, nil
	case map[string]any:
		o := asObject("_source", v)
		f.includes = append(f.includes, append(o.strings("includes"), o.strings("include")...)...)
		f.excludes = append(f.excludes, append(o.strings("excludes"), o.strings("exclude")...)...)
		return f, o.done()
	}
	o := asObject("_source", map[string]any{"includes": v})
	f.includes = append(f.includes, o.strings("includes")...)
	return f, o.done()
}

// apply returns what of the document is shown, or nil for none of it.
func (f sourceFilter) apply(doc map[string]any) map[string]any {
	if f.off {
		return nil
	}
	if len(f.includes) == 0 && len(f.excludes) == 0 {
		return doc
	}
	return f.part(doc, "")
}

func (f sourceFilter) part(doc map[string]any, path string) map[string]any {
	out := map[string]any{}
	for k, v := range doc {
		full := path + k
		if matches(f.excludes, full) {
			continue
		}
		if m, ok := v.(map[string]any); ok && len(m) > 0 {
			if p := f.part(m, full+"."); len(p) > 0 {
				out[k] = p
			}
			continue
		}
		if len(f.includes) == 0 || matches(f.includes, full) {
			out[k] = v
		}
	}
	return out
}

// matches says whether a pattern covers a field, or an object that it is in.
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if glob(p, name) || glob(p+".*", name) {
			return true
		}
	}
	return false
}
