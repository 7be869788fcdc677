package embedded

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ServeHTTP serves /v2/ and TokenPath.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w, verdict: &verdict{}}
	route := "token"
	if req.URL.Path == TokenPath {
		r.serveToken(rec, req)
	} else {
		route = routeOf(req.URL.Path)
		r.serveAPI(rec, req)
	}
	r.metrics.observe(route, req.Method, rec, time.Since(start))
}

// serveAPI checks and rewrites a request before distribution sees it.
func (r *Registry) serveAPI(w *recorder, req *http.Request) {
	if req.URL.RawPath != "" || !strings.HasPrefix(req.URL.Path, "/v2/") && req.URL.Path != "/v2" {
		serveError(w, http.StatusNotFound, "NAME_INVALID", "the path is not one of the registry API")
		return
	}
	out := req.Clone(context.WithValue(req.Context(), verdictKey{}, w.verdict))
	out.URL.Path = rewrite(req.URL)
	// Where the token endpoint is follows from how this request came in, never
	// from what the client claims about itself.
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"} {
		out.Header.Del(h)
	}
	proto := "http"
	if req.TLS != nil {
		proto = "https"
	}
	out.Header.Set("X-Forwarded-Proto", proto)
	if name := repositoryOf(out.URL.Path); name != "" {
		if _, err := ParseName(name); err != nil {
			// Only someone whose token is good for something learns what is wrong
			// with a name, so this is what an unknown one answers as well.
			serveError(w, http.StatusBadRequest, "NAME_INVALID", err.Error())
			return
		}
	}
	r.app.ServeHTTP(w, out)
}

// rewrite gives the local path of a request that a mirror's client sends: it
// names the registry it meant in ?ns= and leaves it out of the path.
func rewrite(u *url.URL) string {
	if u.Path == "/v2" {
		return "/v2/"
	}
	ns := u.Query().Get("ns")
	rest := strings.TrimPrefix(u.Path, "/v2/")
	if ns == "" || strings.EqualFold(ns, serviceName) || repositoryOf(u.Path) == "" {
		return u.Path
	}
	return "/v2/" + upstreamKey(ns) + "/" + rest
}

// repositoryOf is the repository name in a path of the API, or "".
func repositoryOf(p string) string {
	rest := strings.TrimPrefix(p, "/v2/")
	for _, verb := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if i := strings.LastIndex(rest, verb); i >= 0 {
			return rest[:i]
		}
	}
	return ""
}

func routeOf(p string) string {
	switch {
	case strings.Contains(p, "/manifests/"):
		return "manifests"
	case strings.Contains(p, "/blobs/uploads"):
		return "uploads"
	case strings.Contains(p, "/blobs/"):
		return "blobs"
	case strings.HasSuffix(p, "/tags/list"):
		return "tags"
	case strings.HasSuffix(p, "/_catalog"):
		return "catalog"
	default:
		return "base"
	}
}

// serveError answers in the error form of the registry API.
func serveError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Del("Content-Length")
	w.WriteHeader(status)
	body, _ := json.Marshal(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
	_, _ = w.Write(body)
}
