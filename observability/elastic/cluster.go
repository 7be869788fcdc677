package elastic

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// What clients ask about a cluster before they begin.

const clusterName = "slipway"

func (h *Handler) info(w http.ResponseWriter, r *request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refuse(http.StatusMethodNotAllowed, "illegal_argument_exception", "method [%s] is not allowed", r.Method)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"name": clusterName, "cluster_name": clusterName, "cluster_uuid": h.UUID, "tagline": "You Know, for Search",
		"version": map[string]any{
			"number": Version, "build_flavor": "default", "build_type": "tar", "build_hash": "slipway", "build_date": "2026-01-01T00:00:00.000Z",
			"build_snapshot": false, "lucene_version": "9.12.0", "minimum_wire_compatibility_version": "7.17.0", "minimum_index_compatibility_version": "7.0.0",
		},
	})
	return nil
}

func (h *Handler) clusterAPI(w http.ResponseWriter, r *request) error {
	if r.part(0) != "health" {
		return unsupported("API [_cluster/%.60s]", r.part(0))
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"cluster_name": clusterName, "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1,
		"active_primary_shards": 1, "active_shards": 1, "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
		"unassigned_primary_shards": 0, "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0,
		"task_max_waiting_in_queue_millis": 0, "active_shards_percent_as_number": 100.0,
	})
	return nil
}

func (h *Handler) nodes(w http.ResponseWriter, r *request) error {
	// A client that looks for more nodes finds none to go to, and stays at this address.
	writeJSON(w, http.StatusOK, map[string]any{"_nodes": map[string]any{"total": 1, "successful": 1, "failed": 0}, "cluster_name": clusterName, "nodes": map[string]any{}})
	return nil
}

func (h *Handler) license(w http.ResponseWriter, r *request) error {
	l := map[string]any{"status": "active", "uid": "slipway", "type": "basic", "mode": "basic", "issued_to": clusterName, "issuer": clusterName, "max_nodes": 1000}
	if strings.HasPrefix(strings.Trim(r.URL.Path, "/"), "_xpack") {
		writeJSON(w, http.StatusOK, map[string]any{"license": l, "features": map[string]any{
			"ilm": map[string]any{"available": true, "enabled": true}, "security": map[string]any{"available": true, "enabled": true},
		}, "tagline": "You know, for X"})
		return nil
	}
	writeJSON(w, http.StatusOK, map[string]any{"license": l})
	return nil
}

func (h *Handler) whoami(w http.ResponseWriter, r *request) error {
	if r.part(0) != "_authenticate" {
		return unsupported("API [_security/%.60s]", r.part(0))
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"username": r.access.User, "roles": []string{}, "full_name": nil, "email": nil, "metadata": map[string]any{}, "enabled": true,
		"authentication_realm": map[string]any{"name": "slipway", "type": "slipway"}, "lookup_realm": map[string]any{"name": "slipway", "type": "slipway"},
		"authentication_type": "token",
	})
	return nil
}

func (h *Handler) ingest(w http.ResponseWriter, r *request) error {
	if r.part(0) != "pipeline" {
		return unsupported("API [_ingest/%.60s]", r.part(0))
	}
	if r.part(1) != "" && !strings.Contains(r.part(1), "*") {
		return refuse(http.StatusNotFound, "resource_not_found_exception", "pipeline [%.100s] is missing", r.part(1))
	}
	writeJSON(w, http.StatusOK, map[string]any{})
	return nil
}

func (h *Handler) refresh(w http.ResponseWriter, r *request) error {
	if err := h.Store.Refresh(r.Context()); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"_shards": map[string]any{"total": 1, "successful": 1, "failed": 0}})
	return nil
}

// cat answers _cat/indices and _cat/health, as a table or as JSON.
// sortCells puts rows in the order of columns, each of which may end in :desc.
func sortCells(rows []map[string]any, by []string) {
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		for _, column := range by {
			name, order, _ := strings.Cut(column, ":")
			x, y := fmt.Sprint(a[name]), fmt.Sprint(b[name])
			c := cmp.Compare(x, y)
			if n, err := strconv.ParseFloat(x, 64); err == nil {
				if m, err := strconv.ParseFloat(y, 64); err == nil {
					c = cmp.Compare(n, m)
				}
			}
			if order == "desc" {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

func (h *Handler) cat(w http.ResponseWriter, r *request) error {
	var columns []string
	var rows []map[string]any
	switch r.part(0) {
	case "indices":
		s, err := h.scope(r.Context(), r.access, r.part(1), true)
		if err != nil {
			return err
		}
		known, err := h.indices(r.Context(), s)
		if err != nil {
			return err
		}
		columns = []string{"health", "status", "index", "uuid", "pri", "rep", "docs.count", "docs.deleted", "store.size", "pri.store.size", "dataset.size"}
		for _, name := range matching(r.part(1), known) {
			rows = append(rows, map[string]any{
				"health": "green", "status": "open", "index": name, "uuid": name, "pri": "1", "rep": "0",
				"docs.count": strconv.FormatUint(known[name], 10), "docs.deleted": "0", "store.size": nil, "pri.store.size": nil, "dataset.size": nil,
			})
		}
	case "count":
		s, err := h.scope(r.Context(), r.access, r.part(1), true)
		if err != nil {
			return err
		}
		known, err := h.indices(r.Context(), s)
		if err != nil {
			return err
		}
		now, n := time.Now().UTC(), uint64(0)
		for _, name := range matching(r.part(1), known) {
			n += known[name]
		}
		columns = []string{"epoch", "timestamp", "count"}
		rows = []map[string]any{{"epoch": strconv.FormatInt(now.Unix(), 10), "timestamp": now.Format("15:04:05"), "count": strconv.FormatUint(n, 10)}}
	case "health":
		now := time.Now().UTC()
		columns = []string{"epoch", "timestamp", "cluster", "status", "node.total", "node.data", "shards", "pri"}
		rows = []map[string]any{{
			"epoch": strconv.FormatInt(now.Unix(), 10), "timestamp": now.Format("15:04:05"), "cluster": clusterName, "status": "green",
			"node.total": "1", "node.data": "1", "shards": "1", "pri": "1",
		}}
	default:
		return unsupported("API [_cat/%.60s]; known: indices, health, count", r.part(0))
	}
	if by := r.params.Get("s"); by != "" {
		sortCells(rows, strings.Split(by, ","))
	}
	if hs := r.params.Get("h"); hs != "" {
		columns = strings.Split(hs, ",")
	}
	for _, row := range rows {
		maps.DeleteFunc(row, func(k string, _ any) bool { return !slices.Contains(columns, k) })
	}
	if r.params.Get("format") == "json" || strings.Contains(r.Header.Get("Accept"), "json") && r.params.Get("format") == "" {
		if rows == nil {
			rows = []map[string]any{}
		}
		writeJSON(w, http.StatusOK, rows)
		return nil
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	var b strings.Builder
	aligned := tabwriter.NewWriter(&b, 0, 1, 1, ' ', 0)
	if r.params.Has("v") && r.params.Get("v") != "false" {
		fmt.Fprintln(aligned, strings.Join(columns, "\t"))
	}
	for _, row := range rows {
		var cells []string
		for _, c := range columns {
			cell := ""
			if row[c] != nil {
				cell = fmt.Sprint(row[c])
			}
			cells = append(cells, cell)
		}
		fmt.Fprintln(aligned, strings.Join(cells, "\t"))
	}
	if err := aligned.Flush(); err != nil {
		return err
	}
	_, err := w.Write([]byte(b.String()))
	return err
}
