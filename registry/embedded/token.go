package embedded

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// TokenPath is where the front door must serve Handler beside /v2/.
const TokenPath = "/registry/token"

const (
	maxScopes    = 32
	maxTokenForm = 64 << 10
	// A source of wrong credentials gets this many at once, then these a second.
	failureBurst = 60
	failureRate  = 5
	maxSources   = 4096
)

// tokenAnswer is what the token specification and OAuth2 clients read.
type tokenAnswer struct {
	Token       string    `json:"token"`
	AccessToken string    `json:"access_token"`
	ExpiresIn   int       `json:"expires_in"`
	IssuedAt    time.Time `json:"issued_at"`
	Scope       string    `json:"scope,omitempty"`
}

// serveToken answers the standard token endpoint: GET with Basic or Bearer
// credentials, or an OAuth2 POST with grant_type password or refresh_token.
func (r *Registry) serveToken(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if req.Method != http.MethodGet && req.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		serveError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "the token endpoint answers GET and POST")
		return
	}
	req.Body = http.MaxBytesReader(w, req.Body, maxTokenForm)
	if err := req.ParseForm(); err != nil {
		serveError(w, http.StatusBadRequest, "UNSUPPORTED", "the token request cannot be read")
		return
	}
	username, password := credentials(req)
	if password == "" {
		r.refuseToken(w)
		return
	}
	failures, source := r.guesser(req, username, password)
	if !failures.allowed(source) {
		w.Header().Set("Retry-After", "10")
		serveError(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "too many wrong credentials from this address; wait and try again")
		return
	}
	user, err := r.options.Authenticator.Authenticate(req.Context(), username, password)
	if errors.Is(err, ErrUnauthenticated) || (err == nil && user.Name == "") {
		failures.count(source)
		r.refuseToken(w)
		return
	}
	if err != nil {
		r.log.Error("registry cannot verify credentials", "error", err)
		serveError(w, http.StatusServiceUnavailable, "UNAVAILABLE", "credentials cannot be verified now; try again")
		return
	}
	scopes := scopesOf(req)
	if len(scopes) > maxScopes {
		serveError(w, http.StatusBadRequest, "UNSUPPORTED", "more than 32 scopes in one token request")
		return
	}
	access, err := r.grant(req.Context(), user, scopes)
	if err != nil {
		r.log.Error("registry cannot ask what a user may do", "user", user.Name, "error", err)
		serveError(w, http.StatusServiceUnavailable, "UNAVAILABLE", "permissions cannot be verified now; try again")
		return
	}
	raw, issued, err := r.signer.sign(user.Name, access)
	if err != nil {
		r.log.Error("registry cannot sign a token", "error", err)
		serveError(w, http.StatusInternalServerError, "UNKNOWN", "no token could be made")
		return
	}
	var said []string
	for _, a := range access {
		said = append(said, a.Type+":"+a.Name+":"+strings.Join(a.Actions, ","))
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(tokenAnswer{
		Token: raw, AccessToken: raw, ExpiresIn: int(r.signer.ttl.Seconds()), IssuedAt: issued.UTC(), Scope: strings.Join(said, " "),
	}); err != nil {
		r.log.Debug("registry token not delivered", "error", err)
	}
}

// guesser says whose failures a request may add to: those of its address. All pods of a
// node are pulled for from this machine's own, so there each credential counts for itself,
// and one pod with a wrong secret keeps no other from its images.
func (r *Registry) guesser(req *http.Request, username, password string) (*failureLimit, string) {
	source, _, _ := net.SplitHostPort(req.RemoteAddr)
	if ip := net.ParseIP(source); ip == nil || !ip.IsLoopback() {
		return &r.failures, source
	}
	sum := sha256.Sum256([]byte(username + "\x00" + password))
	return &r.localFailures, string(sum[:])
}

func (r *Registry) refuseToken(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="slipway registry"`)
	serveError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

// credentials finds the name and secret in a token request. Secrets in the URL
// are not looked at: they would be in logs.
func credentials(req *http.Request) (username, password string) {
	if user, pass, ok := req.BasicAuth(); ok {
		return user, pass
	}
	if scheme, value, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return "", strings.TrimSpace(value)
	}
	switch req.PostForm.Get("grant_type") {
	case "password":
		return req.PostForm.Get("username"), req.PostForm.Get("password")
	case "refresh_token":
		return "", req.PostForm.Get("refresh_token")
	}
	return "", ""
}

func scopesOf(req *http.Request) []string {
	var scopes []string
	for _, value := range req.Form["scope"] {
		scopes = append(scopes, strings.Fields(value)...)
	}
	return scopes
}

// failureLimit slows down who guesses. Right credentials are never slowed
// unless wrong ones came from the same address just before.
type failureLimit struct {
	mu      sync.Mutex
	sources map[string]*rate.Limiter
}

func (f *failureLimit) allowed(source string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.sources[source]
	return l == nil || l.Tokens() >= 1
}

func (f *failureLimit) count(source string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.sources[source]
	if l == nil {
		if f.sources == nil || len(f.sources) >= maxSources {
			f.sources = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(failureRate, failureBurst)
		f.sources[source] = l
	}
	l.Allow()
}
