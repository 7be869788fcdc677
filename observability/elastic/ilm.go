package elastic

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// ilm keeps lifecycle policies for the clients that want one to be there. The store has
// one retention for everything; a policy does not change it, which explain says.
func (h *Handler) ilm(w http.ResponseWriter, r *request) error {
	switch r.part(0) {
	case "status":
		writeJSON(w, http.StatusOK, map[string]any{"operation_mode": "RUNNING"})
		return nil
	case "policy":
	default:
		return unsupported("API [_ilm/%.60s]", r.part(0))
	}
	name := r.part(1)
	switch r.Method {
	case http.MethodPut:
		b, err := h.objectBody(w, r)
		if err != nil {
			return err
		}
		var p struct {
			Policy *struct {
				Phases map[string]json.RawMessage `json:"phases"`
			} `json:"policy"`
		}
		if err := json.Unmarshal(b, &p); err != nil || p.Policy == nil || p.Policy.Phases == nil {
			return parsing("lifecycle policy [%.100s]: want {\"policy\":{\"phases\":{…}}}", name)
		}
		for phase := range p.Policy.Phases {
			switch phase {
			case "hot", "warm", "cold", "frozen", "delete":
			default:
				return illegal("Timeseries lifecycle does not support phase [%.60s]", phase)
			}
		}
		if err := h.objects.put(r.access, kindPolicy, name, b); err != nil {
			return err
		}
		return acknowledged(w)
	case http.MethodDelete:
		if err := h.objects.drop(r.access, kindPolicy, name); err != nil {
			return err
		}
		return acknowledged(w)
	}
	out := map[string]any{}
	for _, o := range h.objects.list(r.access, kindPolicy) {
		if name != "" && !covers(name, o.Name) {
			continue
		}
		var p struct {
			Policy json.RawMessage `json:"policy"`
		}
		if err := json.Unmarshal(o.Body, &p); err != nil {
			return err
		}
		out[o.Name] = map[string]any{
			"version": o.Version, "modified_date": o.At.Format(time.RFC3339), "policy": p.Policy,
			"in_use_by": map[string]any{"indices": []string{}, "data_streams": []string{}, "composable_templates": []string{}},
		}
	}
	if len(out) == 0 && name != "" && !strings.Contains(name, "*") {
		return refuse(http.StatusNotFound, "resource_not_found_exception", "Lifecycle policy not found: %.100s", name)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// explain answers <index>/_ilm/explain.
func (h *Handler) explain(w http.ResponseWriter, r *request) error {
	if r.part(0) != "explain" {
		return unsupported("API [<index>/_ilm/%.60s]", r.part(0))
	}
	known, err := h.known(r)
	if err != nil {
		return err
	}
	out := map[string]any{}
	for _, name := range matching(r.index, known) {
		out[name] = map[string]any{"index": name, "managed": false, "step_info": map[string]any{
			"message": "the store keeps every line for " + logs.Retention.String() + ", whatever a policy says",
		}}
	}
	writeJSON(w, http.StatusOK, map[string]any{"indices": out})
	return nil
}
