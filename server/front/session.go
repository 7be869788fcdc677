package front

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"slipway.dev/server/api"
)

const (
	cookieName  = "slipway_session"
	sessionLife = 12 * time.Hour
	linkLife    = 15 * time.Minute
)

// sessions signs and checks the console's cookies, and keeps the one-time
// codes of login links. A cookie carries its user, so that it outlives a
// restart of the server.
type sessions struct {
	key  []byte
	csrf *http.CrossOriginProtection

	mu    sync.Mutex
	codes map[[sha256.Size]byte]link
}

type link struct {
	user    api.User
	expires time.Time
}

type session struct {
	User    api.User  `json:"u"`
	Expires time.Time `json:"e"`
}

func newSessions(keyFile string) (*sessions, error) {
	key, err := os.ReadFile(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		err = os.WriteFile(keyFile, key, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	if len(key) < 32 {
		return nil, fmt.Errorf("session key %s: %d bytes, want 32; remove it and start again", keyFile, len(key))
	}
	return &sessions{key: key, csrf: http.NewCrossOriginProtection(), codes: map[[sha256.Size]byte]link{}}, nil
}

func (s *sessions) sign(payload string) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(payload))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (s *sessions) cookie(r *http.Request, u api.User) *http.Cookie {
	b, _ := json.Marshal(session{User: u, Expires: time.Now().Add(sessionLife)}) // strings and a time
	payload := base64.RawURLEncoding.EncodeToString(b)
	return &http.Cookie{
		Name: cookieName, Value: payload + "." + s.sign(payload), Path: "/",
		MaxAge: int(sessionLife.Seconds()), HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	}
}

// user reads the cookie of r and refuses what another site may have sent.
func (s *sessions) user(r *http.Request) (api.User, error) {
	c, err := r.Cookie(cookieName)
	if err != nil || s.csrf.Check(r) != nil {
		return api.User{}, ErrUnauthorized
	}
	payload, mac, _ := strings.Cut(c.Value, ".")
	if !hmac.Equal([]byte(mac), []byte(s.sign(payload))) {
		return api.User{}, ErrUnauthorized
	}
	var v session
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(b, &v) != nil || time.Now().After(v.Expires) {
		return api.User{}, ErrUnauthorized
	}
	return v.User, nil
}

// Link makes the code of a one-time login link for u.
func (d *Door) Link(u api.User) string {
	code := rand.Text()
	s := d.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, l := range s.codes {
		if time.Now().After(l.expires) {
			delete(s.codes, k)
		}
	}
	s.codes[sha256.Sum256([]byte(code))] = link{user: u, expires: time.Now().Add(linkLife)}
	return code
}

func (s *sessions) redeem(code string) (api.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sha256.Sum256([]byte(code))
	l, ok := s.codes[k]
	delete(s.codes, k)
	if !ok || time.Now().After(l.expires) {
		return api.User{}, ErrUnauthorized
	}
	return l.user, nil
}

// loginLink exchanges a one-time code for a session and shows the console.
func (d *Door) loginLink(w http.ResponseWriter, r *http.Request) {
	target := "/"
	if u, err := d.sessions.redeem(r.URL.Query().Get("code")); err == nil {
		http.SetCookie(w, d.sessions.cookie(r, u))
	} else if r.URL.Query().Has("code") {
		target = "/?login=expired"
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// login exchanges a token, or a one-time code, for a session.
func (d *Door) login(w http.ResponseWriter, r *http.Request) {
	var body struct{ Token, Code string }
	if d.sessions.csrf.Check(r) != nil {
		unauthorized(w, d.log)
		return
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&body); err != nil {
		api.WriteError(w, d.log, &api.Error{Status: http.StatusBadRequest, Message: "request body: want {\"token\":…} or {\"code\":…}"})
		return
	}
	u, err := d.sessions.redeem(body.Code)
	if body.Code == "" {
		u, err = d.auth.Authenticate(r.Context(), body.Token)
	}
	if errors.Is(err, ErrUnauthorized) {
		unauthorized(w, d.log)
		return
	}
	if err != nil {
		api.WriteError(w, d.log, err)
		return
	}
	http.SetCookie(w, d.sessions.cookie(r, u))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(u)
}

func (d *Door) logout(w http.ResponseWriter, r *http.Request) {
	if _, err := d.sessions.user(r); err == nil {
		http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	}
	w.WriteHeader(http.StatusNoContent)
}

// createLink gives the caller, on this machine, a login link for itself.
func (d *Door) createLink(w http.ResponseWriter, r *http.Request) {
	if !loopback(r) {
		api.WriteError(w, d.log, &api.Error{Status: http.StatusForbidden, Message: "login links are made on the server's machine", Hint: "run `slipway login-link` there"})
		return
	}
	u, _ := api.UserFrom(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]string{"path": "/login?code=" + d.Link(u)})
}
