package hook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Target is the repository that an address names.
type Target struct {
	// Secret that signs for it; empty: it takes no webhooks.
	Secret []byte
	// Path of the repository at its forge, as its URL or the project of its forge has it.
	// Empty: it is hosted here.
	Path string
}

// Handler takes POST /hooks/<kind>/<repo> and /hooks/<kind>/<ns>/<repo> of every kind
// that Kinds names. A delivery that the forge repeats does nothing.
type Handler struct {
	// Target of the address; the zero Target where there is none.
	Target func(ctx context.Context, ns, repo string) (Target, error)
	// ValidName and ValidNamespace are the one validator of names.
	ValidName, ValidNamespace func(string) error
	Spool                     *Spool
	// Namespace of /hooks/<kind>/<repo>. Default "default".
	Namespace string
	Log       *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time

	bodies budget
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		say(w, http.StatusMethodNotAllowed, "send a POST", "")
		return
	}
	a, ok := h.address(r.URL.EscapedPath())
	if a.forge == nil {
		say(w, http.StatusNotFound, "no webhooks of this kind", "use /hooks/<kind>/<namespace>/<repository> with one of "+strings.Join(Kinds(), ", "))
		return
	}
	body, release, err := h.bodies.read(w, r)
	defer release()
	if err != nil {
		refuse(w, err)
		return
	}
	var t Target
	if ok {
		if t, err = h.Target(r.Context(), a.ns, a.repo); err != nil {
			h.log().Warn("webhook secret not read", "namespace", a.ns, "repository", a.repo, "error", err)
			again(w, "the server cannot decide now")
			return
		}
	}
	// An unknown repository costs the same work and gets the same answer.
	good := a.forge.verify(t.Secret, body, r.Header, h.now())
	if !ok || len(t.Secret) == 0 || !good {
		say(w, http.StatusUnauthorized, "signature not accepted", a.forge.how)
		return
	}
	h.take(w, r, a, t, body)
}

// take a delivery that is who it says it is from.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, a address, t Target, body []byte) {
	d := Delivery{Namespace: a.ns, Repository: a.repo, Forge: a.kind, ID: h.id(a.forge, r.Header, body), Headers: headers(r.Header), Received: h.now()}
	code, hint := http.StatusAccepted, ""
	payload, err := a.forge.payload(r.Header, body)
	if err == nil {
		d.Event, err = a.forge.parse(header(r.Header, a.forge.event), payload)
	}
	switch {
	case err != nil:
		d.Outcome, d.Message = Refused, oneLine(err.Error(), 500)
		code, hint = http.StatusBadRequest, "send the event in the form that the forge documents"
	case t.Path != "" && d.Event.Project != "" && !sameProject(d.Event.Project, t.Path):
		d.Outcome, d.Message = Refused, oneLine(fmt.Sprintf("it is about %s, and repository %s is %s", d.Event.Project, a.repo, strings.TrimSuffix(strings.Trim(t.Path, "/"), ".git")), 500)
		code, hint = http.StatusForbidden, "give each repository at the forge the address of its own repository here, and each a secret of its own"
	case d.Event.Kind == Ping:
		d.Outcome, d.Message = Ignored, "a test of the hook"
	case d.Event.Kind == "":
		d.Outcome, d.Message = Ignored, d.Event.Ignored
	case t.Path == "" && a.kind != "generic":
		d.Outcome, d.Message = Ignored, "the repository is hosted here; it knows its pushes"
	}
	n, fresh, err := h.Spool.Add(r.Context(), d, body)
	if err != nil {
		h.log().Error("webhook not stored", "namespace", a.ns, "repository", a.repo, "error", err)
		again(w, "the delivery could not be stored")
		return
	}
	if code != http.StatusAccepted {
		say(w, code, d.Message, hint)
		return
	}
	answer := map[string]any{"accepted": true, "duplicate": !fresh, "delivery": n}
	if d.Outcome == Ignored {
		answer["ignored"] = d.Message
	}
	answerJSON(w, code, answer)
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

// address is what the path of a request names.
type address struct {
	kind, ns, repo string
	forge          *forge
}

// address takes the path as it was sent: nothing encoded is accepted. ok says whether
// there can be such a repository.
func (h *Handler) address(escaped string) (a address, ok bool) {
	p, ok := strings.CutPrefix(escaped, "/hooks/")
	if !ok {
		return a, false
	}
	var rest string
	a.kind, rest, ok = strings.Cut(p, "/")
	a.forge = forges[a.kind]
	if !ok || a.forge == nil {
		return a, false
	}
	ns, repo, two := strings.Cut(rest, "/")
	if a.ns, a.repo = ns, repo; !two {
		a.ns, a.repo = orElse(h.Namespace, "default"), rest
	}
	return a, h.ValidNamespace(a.ns) == nil && h.ValidName(a.repo) == nil
}

// payload is the JSON within a body.
func (f *forge) payload(h http.Header, body []byte) ([]byte, error) {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch {
	case f.loose && kind != "application/json":
		return nil, nil
	case kind != "application/x-www-form-urlencoded":
		return body, nil
	case !f.form:
		return nil, fmt.Errorf("%w: it is a form; choose JSON as the content type of the hook", errMalformed)
	}
	values, err := url.ParseQuery(string(body))
	if err != nil || values.Get("payload") == "" {
		return nil, missing("the field payload")
	}
	return []byte(values.Get("payload")), nil
}

// id by which a repetition of the delivery is known: the forge's own, or else what the
// body is, within one event of GitLab's or within one minute.
func (h *Handler) id(f *forge, hd http.Header, body []byte) string {
	if id := header(hd, f.ids); id != "" {
		return id
	}
	within := hd.Get("X-Gitlab-Event-Uuid")
	if within == "" {
		within = h.now().UTC().Format("2006-01-02T15:04")
	}
	sum := sha256.New()
	sum.Write(body)
	sum.Write([]byte(within))
	return "body-" + hex.EncodeToString(sum.Sum(nil)[:16])
}

// refuse a body that could not be read.
func refuse(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errTooLarge):
		say(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d MiB", MaxBody>>20), "the repository is polled, so that nothing is lost")
	case errors.Is(err, errBusy):
		again(w, "too many large deliveries at once")
	default:
		say(w, http.StatusBadRequest, "the body ended early or came too slowly", "")
	}
}

func again(w http.ResponseWriter, message string) {
	w.Header().Set("Retry-After", "5")
	say(w, http.StatusServiceUnavailable, message, "send it again in a moment")
}

func say(w http.ResponseWriter, code int, message, hint string) {
	e := map[string]string{"message": message}
	if hint != "" {
		e["hint"] = hint
	}
	answerJSON(w, code, map[string]any{"error": e})
}

// answerJSON is for people, too: forges show it beside the delivery.
func answerJSON(w http.ResponseWriter, code int, v any) {
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}
