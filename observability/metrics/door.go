package metrics

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
)

// forSome are the routes of /api/v1 that answer a scope of some namespaces: those whose
// answer is made of series, targets or rules that are filtered, or of the question alone.
// Whatever is not here shows the whole store and is for those who see all of it.
var forSome = []string{
	"/api/v1/query", "/api/v1/query_range", "/api/v1/query_exemplars", "/api/v1/read",
	"/api/v1/series", "/api/v1/labels", "/api/v1/label/*/values",
	"/api/v1/format_query", "/api/v1/parse_query",
	"/api/v1/scrape_pools", "/api/v1/targets", "/api/v1/targets/metadata", "/api/v1/metadata",
	"/api/v1/rules", "/api/v1/alerts", "/api/v1/status/buildinfo", "/federate", "/-/healthy", "/-/ready",
}

// door lets a request through to next when its scope may ask that.
func door(next http.Handler) http.Handler {
	return scoped(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if scopeOf(r.Context()).All || isForSome(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		Refuse(w, http.StatusForbidden, "forbidden", r.URL.Path+" shows all namespaces; it is for those who may get metrics of the whole cluster")
	}))
}

func isForSome(p string) bool {
	for _, pattern := range forSome {
		if ok, _ := path.Match(pattern, p); ok {
			return true
		}
	}
	return false
}

// Refuse answers with an error in Prometheus' shape.
func Refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": kind, "error": message})
}

// Writes says whether a request changes what is stored.
func Writes(r *http.Request) bool {
	p := strings.TrimSuffix(path.Clean(r.URL.Path), "/")
	return strings.HasSuffix(p, "/api/v1/write") || strings.Contains(p, "/api/v1/otlp/") || strings.Contains(p, "/api/v1/admin/")
}
