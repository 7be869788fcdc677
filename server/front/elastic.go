package front

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"slipway.dev/server/api"
)

// elastic lets a client of Elasticsearch in: by basic password, bearer token or API key,
// and turns it away in words that it understands.
func (d *Door) elastic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, ok := apiKey(r.Header.Get("Authorization")); ok {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+token)
		}
		u, err := d.User(r)
		if err == nil {
			next.ServeHTTP(w, r.WithContext(api.WithUser(r.Context(), u)))
			return
		}
		status, kind, reason := http.StatusUnauthorized, "security_exception", "unable to authenticate; the password is a token of Slipway's"
		if !errors.Is(err, ErrUnauthorized) {
			d.log.Error("request", "method", r.Method, "path", r.URL.Path, "err", err)
			status, kind, reason = http.StatusInternalServerError, "exception", "internal error; the server's log has the reason"
		}
		h := w.Header()
		h.Set("X-Elastic-Product", "Elasticsearch")
		h.Set("Content-Type", "application/json")
		h.Add("WWW-Authenticate", `Basic realm="slipway", charset="UTF-8"`)
		h.Add("WWW-Authenticate", "ApiKey")
		w.WriteHeader(status)
		cause := map[string]any{"type": kind, "reason": reason}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"error": map[string]any{"type": kind, "reason": reason, "root_cause": []any{cause}}, "status": status,
		})
	})
}

// apiKey is the token in an API key: base64 of id:token.
func apiKey(header string) (string, bool) {
	scheme, key, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "ApiKey") {
		return "", false
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	if err != nil {
		return "", false
	}
	_, token, ok := strings.Cut(string(b), ":")
	return token, ok
}
