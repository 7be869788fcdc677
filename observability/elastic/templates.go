package elastic

import (
	"encoding/json"
	"net/http"
	"strings"
)

// objectBody is the body of a request that keeps an object: a JSON object, as it came.
func (h *Handler) objectBody(w http.ResponseWriter, r *request) (json.RawMessage, error) {
	b, err := r.bytes(w)
	if err != nil {
		return nil, err
	}
	v, err := decode(b)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return json.RawMessage("{}"), nil
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, parsing("request body: want an object")
	}
	return b, nil
}

// template answers for index templates, component templates and those of old.
func (h *Handler) template(w http.ResponseWriter, r *request) error {
	api, _, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	kind := strings.TrimPrefix(api, "_")
	if strings.HasPrefix(r.part(0), "_simulate") {
		return unsupported("API [%s/%.60s]", api, r.part(0))
	}
	switch r.Method {
	case http.MethodPut, http.MethodPost:
		b, err := h.objectBody(w, r)
		if err != nil {
			return err
		}
		if err := h.checkTemplate(w, r.access, kind, r.part(0), b); err != nil {
			return err
		}
		if err := h.objects.put(r.access, kind, r.part(0), b); err != nil {
			return err
		}
		return acknowledged(w)
	case http.MethodDelete:
		if err := h.objects.drop(r.access, kind, r.part(0)); err != nil {
			return err
		}
		return acknowledged(w)
	}
	var list []any
	legacy := map[string]any{}
	for _, o := range h.objects.list(r.access, kind) {
		if r.part(0) == "" || covers(r.part(0), o.Name) {
			list = append(list, map[string]any{"name": o.Name, kind: o.Body})
			legacy[o.Name] = o.Body
		}
	}
	if len(list) == 0 && r.part(0) != "" && !strings.Contains(r.part(0), "*") {
		if kind == kindLegacy {
			writeJSON(w, http.StatusNotFound, map[string]any{})
			return nil
		}
		return refuse(http.StatusNotFound, "resource_not_found_exception", "%s matching [%.100s] not found", strings.ReplaceAll(kind, "_", " "), r.part(0))
	}
	if kind == kindLegacy {
		writeJSON(w, http.StatusOK, legacy)
		return nil
	}
	if list == nil {
		list = []any{}
	}
	writeJSON(w, http.StatusOK, map[string]any{kind + "s": list})
	return nil
}

func (h *Handler) checkTemplate(w http.ResponseWriter, a Access, kind, name string, body json.RawMessage) error {
	var b templateBody
	if err := json.Unmarshal(body, &b); err != nil {
		return parsing("[%s] %.100s: %s", kind, name, err)
	}
	if kind != kindComponent && len(b.Patterns) == 0 {
		return illegal("%s [%.100s]: index patterns are missing", kind, name)
	}
	f, err := b.follows(nil)
	if err != nil {
		return err
	}
	if !f.nothing() && len(a.Write) > 1 {
		warn(w, "the lifecycle of [%s] is for documents of namespace %s", name, a.Home)
	}
	have := map[string]bool{}
	for _, o := range h.objects.list(a, kindComponent) {
		have[o.Name] = true
	}
	for _, c := range b.ComposedOf {
		if !have[c] {
			return refuse(400, "invalid_index_template_exception", "index_template [%.100s] invalid, cause [index template [%.100s] specifies component templates [%.100s] that do not exist]", name, name, c)
		}
	}
	return nil
}

// dataStream answers for data streams. One is made by the first document as well.
func (h *Handler) dataStream(w http.ResponseWriter, r *request) error {
	if strings.HasPrefix(r.part(1), "_") || strings.HasPrefix(r.part(0), "_") {
		return unsupported("API [_data_stream/%.60s/%.60s]", r.part(0), r.part(1))
	}
	switch r.Method {
	case http.MethodPut:
		if err := checkIndex(r.part(0)); err != nil {
			return err
		}
		r.index = r.part(0)
		s, err := h.scope(r.Context(), r.access, r.index, true)
		if err != nil {
			return err
		}
		if known, err := h.indices(r.Context(), s); err != nil {
			return err
		} else if _, ok := known[r.index]; ok {
			return refuse(400, "resource_already_exists_exception", "data_stream [%s] already exists", r.index)
		}
		if err := h.objects.put(r.access, kindStream, r.index, json.RawMessage("{}")); err != nil {
			return err
		}
		return acknowledged(w)
	case http.MethodDelete:
		return unsupported("deleting a data stream: lines are kept until their time is over")
	}
	s, err := h.scope(r.Context(), r.access, r.part(0), false)
	if err != nil {
		return err
	}
	known, err := h.indices(r.Context(), s)
	if err != nil {
		return err
	}
	for _, o := range h.objects.list(r.access, kindIndex) {
		delete(known, o.Name)
	}
	rules, err := h.objects.rules(r.access)
	if err != nil {
		return err
	}
	list := []any{}
	for _, name := range matching(r.part(0), known) {
		stream := map[string]any{
			"name": name, "timestamp_field": map[string]any{"name": timeName}, "generation": 1, "status": "GREEN",
			"indices": []any{map[string]any{"index_name": name, "index_uuid": name}}, "template": h.templateOf(r.access, name),
			"hidden": false, "system": false, "allow_custom_routing": false, "replicated": false, "rollover_on_write": false,
		}
		if rule, ok := ruleOf(rules, name); ok && rule.policy != "" {
			stream["ilm_policy"] = rule.policy
		}
		list = append(list, stream)
	}
	writeJSON(w, http.StatusOK, map[string]any{"data_streams": list})
	return nil
}

// templateOf is the template that a data stream follows: of those that match, the one of
// the highest priority.
func (h *Handler) templateOf(a Access, name string) string {
	best, priority := "slipway", -1
	for _, o := range h.objects.list(a, kindTemplate) {
		var b templateBody
		if json.Unmarshal(o.Body, &b) != nil || b.Priority <= priority {
			continue
		}
		for _, p := range b.Patterns {
			if glob(p, name) {
				best, priority = o.Name, b.Priority
			}
		}
	}
	return best
}
