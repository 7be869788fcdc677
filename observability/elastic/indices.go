package elastic

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"slipway.dev/observability/logs"
)

// indexAPI answers for /<index>: whether it is there, what it is, and its making.
func (h *Handler) indexAPI(w http.ResponseWriter, r *request) error {
	switch r.Method {
	case http.MethodPut:
		if err := checkIndex(r.index); err != nil {
			return err
		}
		b, err := h.objectBody(w, r)
		if err != nil {
			return err
		}
		s, err := h.scope(r.Context(), r.access, r.index, true)
		if err != nil {
			return err
		}
		if known, err := h.indices(r.Context(), s); err != nil {
			return err
		} else if _, ok := known[r.index]; ok {
			return refuse(400, "resource_already_exists_exception", "index [%s] already exists", r.index)
		}
		if err := h.objects.put(r.access, kindIndex, r.index, b); err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, map[string]any{"acknowledged": true, "shards_acknowledged": true, "index": r.index})
		return nil
	case http.MethodGet, http.MethodHead:
	case http.MethodDelete:
		return unsupported("deleting an index: lines are kept until their time is over")
	default:
		return refuse(http.StatusMethodNotAllowed, "illegal_argument_exception", "method [%s] is not allowed", r.Method)
	}
	known, kinds, err := h.fields(r, r.index)
	if err != nil {
		return err
	}
	out := map[string]any{}
	for _, name := range matching(r.index, known) {
		out[name] = map[string]any{"aliases": map[string]any{}, "mappings": map[string]any{"properties": properties(kinds)}, "settings": settingsOf(name)}
	}
	if len(out) == 0 && !strings.Contains(r.index, "*") && r.index != "_all" {
		return missingIndex(r.index)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func settingsOf(name string) map[string]any {
	return map[string]any{"index": map[string]any{"number_of_shards": "1", "number_of_replicas": "0", "provided_name": name, "uuid": name}}
}

func (h *Handler) settings(w http.ResponseWriter, r *request) error {
	known, err := h.known(r)
	if err != nil {
		return err
	}
	out := map[string]any{}
	for _, name := range matching(r.index, known) {
		out[name] = map[string]any{"settings": settingsOf(name)}
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (h *Handler) known(r *request) (map[string]uint64, error) {
	s, err := h.scope(r.Context(), r.access, r.index, false)
	if err != nil {
		return nil, err
	}
	return h.indices(r.Context(), s)
}

// fields are the indices of these names, and the kinds of the fields in them.
func (h *Handler) fields(r *request, names string) (known map[string]uint64, kinds map[string]string, err error) {
	s, err := h.scope(r.Context(), r.access, names, false)
	if err != nil {
		return nil, nil, err
	}
	if known, err = h.indices(r.Context(), s); err != nil {
		return nil, nil, err
	}
	kinds, err = h.fieldKinds(r.Context(), s, names)
	return known, kinds, err
}

// alias knows none: names are those of indices and data streams.
func (h *Handler) alias(w http.ResponseWriter, r *request) error {
	if r.part(0) != "" {
		return refuse(http.StatusNotFound, "aliases_not_found_exception", "alias [%.100s] missing", r.part(0))
	}
	known, err := h.known(r)
	if err != nil {
		return err
	}
	out := map[string]any{}
	for _, name := range matching(r.index, known) {
		out[name] = map[string]any{"aliases": map[string]any{}}
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// properties shows fields as a mapping does: objects in objects, texts with their keyword.
func properties(kinds map[string]string) map[string]any {
	root := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		at := root
		parts := strings.Split(name, ".")
		for _, p := range parts[:len(parts)-1] {
			m, ok := at[p].(map[string]any)
			if !ok {
				m = map[string]any{}
				at[p] = m
			}
			inner, ok := m["properties"].(map[string]any)
			if !ok {
				inner = map[string]any{}
				m["properties"] = inner
			}
			at = inner
		}
		last := parts[len(parts)-1]
		m, ok := at[last].(map[string]any)
		if !ok {
			m = map[string]any{}
			at[last] = m
		}
		m["type"] = kinds[name]
		if kinds[name] == kindText {
			m["fields"] = map[string]any{"keyword": map[string]any{"type": kindKeyword, "ignore_above": 256}}
		}
	}
	return root
}

func (h *Handler) mapping(w http.ResponseWriter, r *request) error {
	if r.Method != http.MethodGet {
		// A field's kind is seen from its values; what a mapping says of it is kept with the index.
		if err := checkIndex(r.index); err != nil {
			return err
		}
		b, err := h.objectBody(w, r)
		if err != nil {
			return err
		}
		body, err := json.Marshal(map[string]any{"mappings": json.RawMessage(b)})
		if err != nil {
			return err
		}
		if err := h.objects.put(r.access, kindIndex, r.index, body); err != nil {
			return err
		}
		return acknowledged(w)
	}
	names := r.index
	if names == "" && r.part(0) != "field" {
		names = r.part(0)
	}
	known, kinds, err := h.fields(r, names)
	if err != nil {
		return err
	}
	out := map[string]any{}
	for _, name := range matching(names, known) {
		if r.part(0) == "field" {
			out[name] = map[string]any{"mappings": fieldMappings(kinds, r.part(1))}
			continue
		}
		out[name] = map[string]any{"mappings": map[string]any{"properties": properties(kinds)}}
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func fieldMappings(kinds map[string]string, pattern string) map[string]any {
	out := map[string]any{}
	for name, kind := range kinds {
		if covers(pattern, name) {
			last := name[strings.LastIndexByte(name, '.')+1:]
			out[name] = map[string]any{"full_name": name, "mapping": map[string]any{last: map[string]any{"type": kind}}}
		}
	}
	return out
}

// fieldCaps says what can be done with each field, objects included.
func (h *Handler) fieldCaps(w http.ResponseWriter, r *request) error {
	v, err := r.body(w)
	if err != nil {
		return err
	}
	o := asObject("field_caps", v)
	patterns := o.strings("fields")
	o.ignore("runtime_mappings")
	if o.take("index_filter") != nil {
		return unsupported("[field_caps] index_filter")
	}
	if err := o.done(); err != nil {
		return err
	}
	if p := r.params.Get("fields"); p != "" {
		patterns = strings.Split(p, ",")
	}
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	known, kinds, err := h.fields(r, r.index)
	if err != nil {
		return err
	}
	for name := range maps.Clone(kinds) {
		for i := strings.LastIndexByte(name, '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
			if kinds[name[:i]] == "" {
				kinds[name[:i]] = kindObject
			}
		}
		if kinds[name] == kindText {
			kinds[name+".keyword"] = kindKeyword
		}
	}
	kinds[logs.IndexField], kinds[idName] = "_index", "_id"
	fields := map[string]any{}
	for name, kind := range kinds {
		if !slices.ContainsFunc(patterns, func(p string) bool { return glob(p, name) }) {
			continue
		}
		fields[name] = map[string]any{kind: map[string]any{
			"type": kind, "metadata_field": kind == "_index" || kind == "_id",
			"searchable": kind != kindObject, "aggregatable": kind != kindObject && kind != kindText,
		}}
	}
	writeJSON(w, http.StatusOK, map[string]any{"indices": matching(r.index, known), "fields": fields})
	return nil
}

// resolve answers _resolve/index/<names>.
func (h *Handler) resolve(w http.ResponseWriter, r *request) error {
	if r.part(0) != "index" {
		return unsupported("API [_resolve/%.60s]", r.part(0))
	}
	r.index = r.part(1)
	known, err := h.known(r)
	if err != nil {
		return err
	}
	indices, streams := []any{}, []any{}
	plain := map[string]bool{}
	for _, o := range h.objects.list(r.access, kindIndex) {
		plain[o.Name] = true
	}
	for _, name := range matching(r.index, known) {
		if plain[name] {
			indices = append(indices, map[string]any{"name": name, "attributes": []string{"open"}})
		} else {
			streams = append(streams, map[string]any{"name": name, "backing_indices": []string{name}, "timestamp_field": timeName})
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"indices": indices, "aliases": []any{}, "data_streams": streams})
	return nil
}
