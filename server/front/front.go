// Package front owns the front door: which part of Slipway answers which path,
// who the caller is (token, basic password or the console's session cookie),
// one-time login links, response headers that protect a browser, TLS and plain
// HTTP on loopback, and an orderly shutdown.
//
// It never decides what a user may do: each part asks RBAC itself. Start at
// New, whose mux is the list of everything that is served.
package front

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"slipway.dev/server/api"
)

// ErrUnauthorized is what an Authenticator says of a token that is not good,
// whatever the reason.
var ErrUnauthorized = errors.New("unauthorized")

// Authenticator tells whose token it is. Any other error than ErrUnauthorized
// is the server's own trouble.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (api.User, error)
}

// Parts answer below their paths. Those that authenticate by themselves say so.
type Parts struct {
	API      http.Handler // /api/v1/, behind the front door's authentication
	Jobs     http.Handler // /api/v1/jobs/, by the token of an attempt
	Git      http.Handler // /git/, asks User
	Hooks    http.Handler // /hooks/, by signature
	Registry http.Handler // /v2/ and /registry/token, by its own tokens
	Metrics  http.Handler // /metrics, behind authentication and RBAC
	Query    http.Handler // /prometheus/, behind authentication and RBAC
	Elastic  http.Handler // /elastic/, behind authentication; asks RBAC by namespace
	Alerts   http.Handler // /alertmanager/, behind authentication and RBAC
	Issuer   http.Handler // /.well-known/, public: by it others check id_tokens
	Badge    http.Handler // /badge/, asks api.UserFrom; nobody is a caller, too
	Console  http.Handler // everything else, public: it holds no data
	// Ready says what is missing; nil when everything is up.
	Ready func() error
}

// Door is the front door.
type Door struct {
	auth     Authenticator
	sessions *sessions
	log      *slog.Logger
	handler  http.Handler
}

// New puts the parts behind their paths. keyFile keeps the key that signs
// sessions; it is made, mode 0600, when missing.
func New(parts Parts, auth Authenticator, keyFile string, log *slog.Logger) (*Door, error) {
	s, err := newSessions(keyFile)
	if err != nil {
		return nil, err
	}
	d := &Door{auth: auth, sessions: s, log: log}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/jobs/", parts.Jobs)
	mux.Handle("/api/", d.authenticated(parts.API))
	mux.HandleFunc("POST /api/v1/session", d.login)
	mux.HandleFunc("DELETE /api/v1/session", d.logout)
	mux.Handle("POST /api/v1/login-links", d.authenticated(http.HandlerFunc(d.createLink)))
	mux.Handle("/git/", parts.Git)
	mux.Handle("/hooks/", parts.Hooks)
	mux.Handle("/v2/", parts.Registry)
	mux.Handle("/registry/", parts.Registry)
	mux.Handle("/.well-known/", parts.Issuer)
	mux.Handle("/badge/", d.perhaps(parts.Badge))
	mux.Handle("/metrics", d.authenticated(parts.Metrics))
	mux.Handle("/prometheus/", d.authenticated(parts.Query))
	mux.Handle("/elastic/", d.elastic(parts.Elastic))
	mux.Handle("/alertmanager/", d.authenticated(parts.Alerts))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := parts.Ready(); err != nil {
			// What is missing is told to those who may read the status.
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /login", d.loginLink)
	mux.Handle("/", parts.Console)
	d.handler = recovered(log, hardened(mux))
	return d, nil
}

// ServeHTTP answers one request.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// User is who sent r: by bearer token, by basic password (any user name), or by
// the console's cookie where the request cannot come from another site.
func (d *Door) User(r *http.Request) (api.User, error) {
	h := r.Header.Get("Authorization")
	if scheme, token, ok := strings.Cut(h, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return d.auth.Authenticate(r.Context(), strings.TrimSpace(token))
	}
	if _, password, ok := r.BasicAuth(); ok {
		return d.auth.Authenticate(r.Context(), password)
	}
	if h != "" {
		return api.User{}, ErrUnauthorized
	}
	return d.sessions.user(r)
}

func (d *Door) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, err := d.User(r)
		if errors.Is(err, ErrUnauthorized) {
			unauthorized(w, d.log)
			return
		}
		if err != nil {
			api.WriteError(w, d.log, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(api.WithUser(r.Context(), u)))
	})
}

// perhaps passes on who calls, where that is known.
func (d *Door) perhaps(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, err := d.User(r)
		switch {
		case err == nil:
			r = r.WithContext(api.WithUser(r.Context(), u))
		case !errors.Is(err, ErrUnauthorized):
			api.WriteError(w, d.log, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func unauthorized(w http.ResponseWriter, log *slog.Logger) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="slipway"`)
	api.WriteError(w, log, &api.Error{Status: http.StatusUnauthorized, Message: "unauthorized"})
}

// hardened sets the headers that protect a browser; a part may narrow them.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into a 500 and a line in the log.
func recovered(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			log.Error("request", "method", r.Method, "path", r.URL.Path, "panic", v)
			api.WriteError(w, log, &api.Error{Status: http.StatusInternalServerError, Message: "internal error", Hint: "the server's log has the reason"})
		}()
		next.ServeHTTP(w, r)
	})
}

// loopback says whether the request came from this machine.
func loopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && net.ParseIP(host).IsLoopback()
}
