package hook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// MaxBody is the largest webhook that is taken.
const MaxBody = 1 << 20

// Handler takes POST /hooks/generic/<repo> and /hooks/generic/<ns>/<repo>, signed
// as "X-Signature: sha256=<hex HMAC-SHA256 of the body>". An optional
// X-Delivery-Id (or X-Request-Id) names the delivery, so that a repeat does
// nothing; without one the body's own digest within one minute does.
type Handler struct {
	// Secret that signs for the repository; nil where there is none.
	Secret func(ctx context.Context, ns, repo string) ([]byte, error)
	// ValidName and ValidNamespace are the one validator of names.
	ValidName, ValidNamespace func(string) error
	Spool                     *Spool
	// Namespace of /hooks/generic/<repo>. Default "default".
	Namespace string
	Log       *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// payload is what a generic webhook may say; all of it is optional.
type payload struct {
	Ref string `json:"ref"`
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		say(w, http.StatusMethodNotAllowed, "send a POST", "")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		say(w, http.StatusRequestEntityTooLarge, "the body is larger than 1 MiB", "")
		return
	case err != nil:
		say(w, http.StatusBadRequest, "the body ended early", "")
		return
	}
	ns, repo, ok := h.target(r.URL.EscapedPath())
	var secret []byte
	if ok {
		if secret, err = h.Secret(r.Context(), ns, repo); err != nil {
			h.log().Warn("webhook secret not read", "namespace", ns, "repository", repo, "error", err)
			w.Header().Set("Retry-After", "5")
			say(w, http.StatusServiceUnavailable, "the server cannot decide now", "send it again in a moment")
			return
		}
	}
	// An unknown repository costs the same work and gets the same answer.
	good := verify(secret, body, r.Header.Values("X-Signature"))
	if !ok || len(secret) == 0 || !good {
		say(w, http.StatusUnauthorized, "signature not accepted", "sign the body with the repository's webhook secret: X-Signature: sha256=<hex HMAC-SHA256>")
		return
	}
	var p payload
	if len(body) > 0 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(body, &p); err != nil {
			say(w, http.StatusBadRequest, "the body is not a JSON object of the expected form", `{"ref":"refs/heads/main"} or an empty body will do`)
			return
		}
	}
	d := Delivery{Namespace: ns, Repository: repo, ID: h.id(r, body), Ref: clip(p.Ref), Received: h.now()}
	fresh, err := h.Spool.Add(r.Context(), d)
	if err != nil {
		h.log().Error("webhook not stored", "namespace", ns, "repository", repo, "error", err)
		w.Header().Set("Retry-After", "5")
		say(w, http.StatusServiceUnavailable, "the delivery could not be stored", "send it again in a moment")
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]any{"accepted": true, "duplicate": !fresh})
}

func (h *Handler) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

func (h *Handler) log() *slog.Logger {
	if h.Log != nil {
		return h.Log
	}
	return slog.Default()
}

// target takes the path as it was sent: nothing encoded is accepted.
func (h *Handler) target(escaped string) (ns, repo string, ok bool) {
	p, ok := strings.CutPrefix(escaped, "/hooks/generic/")
	if !ok {
		return "", "", false
	}
	ns, repo, two := strings.Cut(p, "/")
	if !two {
		ns, repo = h.Namespace, p
		if ns == "" {
			ns = "default"
		}
	}
	return ns, repo, h.ValidNamespace(ns) == nil && h.ValidName(repo) == nil
}

// verify compares in constant time. It computes the HMAC whatever it was given.
func verify(secret, body []byte, headers []string) bool {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	sum := mac.Sum(nil)
	var got [sha256.Size]byte
	form := len(headers) == 1
	if form {
		text, ok := strings.CutPrefix(headers[0], "sha256=")
		form = ok && len(text) == 2*sha256.Size
		if form {
			_, err := hex.Decode(got[:], []byte(text))
			form = err == nil
		}
	}
	return hmac.Equal(got[:], sum) && form
}

// id of a delivery, bounded and safe to store.
func (h *Handler) id(r *http.Request, body []byte) string {
	for _, k := range []string{"X-Delivery-Id", "X-Request-Id"} {
		if v := r.Header.Get(k); v != "" {
			sum := sha256.Sum256([]byte(v))
			return hex.EncodeToString(sum[:16])
		}
	}
	sum := sha256.Sum256(append(body, h.now().UTC().Format("2006-01-02T15:04")...))
	return "body-" + hex.EncodeToString(sum[:16])
}

func clip(s string) string {
	s = strings.ToValidUTF8(s, "")
	return s[:min(len(s), 250)]
}

func say(w http.ResponseWriter, code int, message, hint string) {
	w.WriteHeader(code)
	e := map[string]string{"message": message}
	if hint != "" {
		e["hint"] = hint
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"error": e})
}
