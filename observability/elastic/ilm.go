package elastic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// ilm keeps lifecycle policies. The delete phase is enforced for what follows a policy,
// and nothing is kept longer than the store keeps everything.
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
		l, err := readPolicy(name, b)
		if err != nil {
			return err
		}
		if l.deletes && l.age > logs.Retention {
			warn(w, "policy [%s] keeps documents for %s; the log store keeps none longer than %s", name, l.age, logs.Retention)
		}
		if err := h.objects.put(r.access, kindPolicy, name, b); err != nil {
			return err
		}
		return acknowledged(w)
	case http.MethodDelete:
		if err := h.unused(r, name); err != nil {
			return err
		}
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
		use, err := h.users(r, o.Name)
		if err != nil {
			return err
		}
		out[o.Name] = map[string]any{
			"version": o.Version, "modified_date": o.At.Format(time.RFC3339), "policy": p.Policy, "in_use_by": use,
		}
	}
	if len(out) == 0 && name != "" && !strings.Contains(name, "*") {
		return refuse(http.StatusNotFound, "resource_not_found_exception", "Lifecycle policy not found: %.100s", name)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// warn tells a client what it should know of a request that is done nevertheless.
func warn(w http.ResponseWriter, format string, args ...any) {
	w.Header().Add("Warning", fmt.Sprintf("299 Elasticsearch-%s %q", Version, fmt.Sprintf(format, args...)))
}

// usage is what follows a policy.
type usage struct {
	Indices   []string `json:"indices"`
	Streams   []string `json:"data_streams"`
	Templates []string `json:"composable_templates"`
}

func (h *Handler) users(r *request, policy string) (usage, error) {
	u := usage{[]string{}, []string{}, []string{}}
	rules, err := h.objects.rules(r.access)
	if err != nil {
		return u, err
	}
	for _, rule := range rules {
		if _, template, ok := strings.Cut(rule.id, "/"+kindTemplate+"/"); ok && rule.policy == policy {
			u.Templates = append(u.Templates, template)
		}
	}
	s, err := h.scope(r.Context(), r.access, "", true)
	if err != nil {
		return u, err
	}
	known, err := h.indices(r.Context(), s)
	if err != nil {
		return u, err
	}
	for _, name := range matching("*", known) {
		if rule, ok := ruleOf(rules, name); ok && rule.policy == policy {
			u.Indices = append(u.Indices, name)
			u.Streams = append(u.Streams, name)
		}
	}
	return u, nil
}

func (h *Handler) unused(r *request, policy string) error {
	u, err := h.users(r, policy)
	if err != nil {
		return err
	}
	if len(u.Indices) > 0 {
		return illegal("Cannot delete policy [%.100s]. It is in use by one or more indices: [%.300s]", policy, strings.Join(u.Indices, ", "))
	}
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
	rules, err := h.objects.rules(r.access)
	if err != nil {
		return err
	}
	out := map[string]any{}
	for _, name := range matching(r.index, known) {
		entry := map[string]any{"index": name, "managed": false}
		says := fmt.Sprintf("documents are deleted after %s", logs.Retention)
		if rule, ok := ruleOf(rules, name); ok {
			entry["managed"] = rule.policy != ""
			if rule.policy != "" {
				entry["policy"], entry["phase"], entry["action"], entry["step"] = rule.policy, "hot", "complete", "complete"
			}
			if rule.deletes && rule.age < logs.Retention {
				says = fmt.Sprintf("documents are deleted after %s", rule.age)
			}
		} else if collected(name) {
			says += "; what Slipway collects follows no policy"
		}
		entry["step_info"] = map[string]any{"message": says}
		out[name] = entry
	}
	writeJSON(w, http.StatusOK, map[string]any{"indices": out})
	return nil
}
