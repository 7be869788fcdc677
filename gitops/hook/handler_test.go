package hook

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func sign(body string) string { return "sha256=" + hex.EncodeToString(sum(key, body)) }

func post(h http.Handler, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAddressesAndGenericHooks(t *testing.T) {
	h := newHandler(t, t.TempDir())
	body := `{"ref":"refs/heads/main"}`
	for _, c := range []struct {
		name, path, body string
		headers          []string
		code             int
	}{
		{"good", "/hooks/generic/shop", body, []string{"X-Signature", sign(body), "X-Delivery-Id", "1", "Content-Type", "application/json"}, 202},
		{"again", "/hooks/generic/shop", body, []string{"X-Signature", sign(body), "X-Delivery-Id", "1"}, 202},
		{"namespace", "/hooks/generic/default/shop", body, []string{"X-Signature", sign(body)}, 202},
		{"empty body", "/hooks/generic/shop", "", []string{"X-Signature", sign("")}, 202},
		{"no JSON, and not said to be", "/hooks/generic/shop", "now", []string{"X-Signature", sign("now"), "Content-Type", "text/plain"}, 202},
		{"hosted", "/hooks/generic/hosted", "", []string{"X-Signature", sign("")}, 202},
		{"unsigned", "/hooks/generic/shop", body, nil, 401},
		{"no secret at all", "/hooks/generic/none", body, []string{"X-Signature", "sha256=" + hex.EncodeToString(sum("", body))}, 401},
		{"path", "/hooks/generic/../shop", body, []string{"X-Signature", sign(body)}, 401},
		{"encoded", "/hooks/generic/sho%70", body, []string{"X-Signature", sign(body)}, 401},
		{"too many parts", "/hooks/generic/default/shop/x", body, []string{"X-Signature", sign(body)}, 401},
		{"no kind", "/hooks/shop", body, []string{"X-Signature", sign(body)}, 404},
		{"unknown kind", "/hooks/sourceforge/shop", body, []string{"X-Signature", sign(body)}, 404},
		{"signed but not JSON", "/hooks/generic/shop", "{", []string{"X-Signature", sign("{"), "Content-Type", "application/json"}, 400},
		{"wrong type", "/hooks/generic/shop", `{"ref":1}`, []string{"X-Signature", sign(`{"ref":1}`), "Content-Type", "application/json; charset=utf-8"}, 400},
		{"API away", "/hooks/generic/broken", body, []string{"X-Signature", sign(body)}, 503},
		{"a form where none is taken", "/hooks/gitea/shop", body, []string{"X-Gitea-Signature", sign(body)[7:], "X-Gitea-Event", "push", "Content-Type", "application/x-www-form-urlencoded"}, 400},
	} {
		if w := post(h, c.path, c.body, c.headers...); w.Code != c.code {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.code)
		}
	}
	for _, kind := range Kinds() {
		wrong := post(h, "/hooks/"+kind+"/shop", body, "X-Signature", "x")
		unknown := post(h, "/hooks/"+kind+"/none", body, "X-Signature", "x")
		if wrong.Body.String() != unknown.Body.String() || fmt.Sprint(wrong.Header()) != fmt.Sprint(unknown.Header()) {
			t.Errorf("%s: an unknown repository can be told from a wrong signature", kind)
		}
	}
	if w := httptest.NewRecorder(); true {
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/hooks/generic/shop", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Error(w.Code)
		}
	}
	if n := acts(h); n != 5 {
		t.Errorf("%d deliveries wait, want 5", n)
	}
}

// TestForgeOfHostedRepository: nothing is fetched for one, but the delivery is kept.
func TestForgeOfHostedRepository(t *testing.T) {
	h := newHandler(t, t.TempDir())
	r := senders["github"].make(t, "push", "push", "1")
	r.repo = "hosted"
	if w := r.to(h, "default"); w.Code != 202 || !strings.Contains(w.Body.String(), "hosted here") || acts(h) != 0 {
		t.Fatal(w.Code, w.Body)
	}
}

// TestGitHubForm: GitHub can send the same within a form, and signs the form.
func TestGitHubForm(t *testing.T) {
	h := newHandler(t, t.TempDir())
	r := senders["github"].make(t, "push", "push", "1")
	r.body = []byte(url.Values{"payload": {string(r.body)}}.Encode())
	r.headers["Content-Type"] = "application/x-www-form-urlencoded"
	senders["github"].resign(&r, key)
	if w := r.to(h, "default"); w.Code != 202 || acts(h) != 1 {
		t.Fatal(w.Code, w.Body)
	}
	r.body, r.headers["X-GitHub-Delivery"] = []byte("payload="), "2"
	senders["github"].resign(&r, key)
	if w := r.to(h, "default"); w.Code != 400 {
		t.Fatal(w.Code, w.Body)
	}
}

func TestGiteaSignatureOfTheOtherKind(t *testing.T) {
	h := newHandler(t, t.TempDir())
	r := senders["gitea"].make(t, "push", "push", "1")
	r.headers["X-Hub-Signature-256"] = sign(string(r.body))
	bare := r.headers["X-Gitea-Signature"]
	r.headers["X-Gitea-Signature"] = strings.Repeat("0", 64)
	if w := r.to(h, "default"); w.Code != 401 {
		t.Fatal("a wrong signature was made good by another", w.Code)
	}
	delete(r.headers, "X-Gitea-Signature")
	if w := r.to(h, "default"); w.Code != 202 {
		t.Fatal(w.Code)
	}
	r.kind, r.headers["X-Gitea-Signature"] = "forgejo", bare
	delete(r.headers, "X-Hub-Signature-256")
	if w := r.to(h, "default"); w.Code != 202 {
		t.Fatal("an older Forgejo", w.Code)
	}
}

// TestStandardWebhooks: with a signing token, nothing but the signature counts, and it
// is good for a few minutes.
func TestStandardWebhooks(t *testing.T) {
	secret := signingPrefix + base64.StdEncoding.EncodeToString([]byte(key))
	now := time.Unix(1_700_000_000, 0)
	good := func() http.Header {
		h := http.Header{}
		h.Set("Webhook-Id", "msg_1")
		h.Set("Webhook-Timestamp", "1700000000")
		h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(sum(key, "msg_1.1700000000.body")))
		return h
	}
	for _, c := range []struct {
		name   string
		change func(http.Header)
		at     time.Time
		want   bool
	}{
		{"good", func(http.Header) {}, now, true},
		{"a little late", func(http.Header) {}, now.Add(4 * time.Minute), true},
		{"late", func(http.Header) {}, now.Add(6 * time.Minute), false},
		{"early", func(http.Header) {}, now.Add(-6 * time.Minute), false},
		{"another id", func(h http.Header) { h.Set("Webhook-Id", "msg_2") }, now, false},
		{"another time", func(h http.Header) { h.Set("Webhook-Timestamp", "1700000001") }, now, false},
		{"no time", func(h http.Header) { h.Del("Webhook-Timestamp") }, now, false},
		{"far away", func(h http.Header) { h.Set("Webhook-Timestamp", "99999999999999999999") }, now, false},
		{"short", func(h http.Header) { h.Set("Webhook-Signature", h.Get("Webhook-Signature")[:20]) }, now, false},
		{"another version", func(h http.Header) { h.Set("Webhook-Signature", "v2"+h.Get("Webhook-Signature")[2:]) }, now, false},
		{"second of two", func(h http.Header) { h.Set("Webhook-Signature", "v1,AAAA "+h.Get("Webhook-Signature")) }, now, true},
		{"many", func(h http.Header) {
			h.Set("Webhook-Signature", strings.Repeat("v1,AAAA ", maxSignatures)+h.Get("Webhook-Signature"))
		}, now, false},
		{"the token itself", func(h http.Header) { h.Del("Webhook-Signature"); h.Set("X-Gitlab-Token", secret) }, now, false},
	} {
		h := good()
		c.change(h)
		if got := gitlabSigned([]byte(secret), []byte("body"), h, c.at); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if gitlabSigned([]byte(signingPrefix+"no base64!"), []byte("body"), good(), now) {
		t.Error("a secret that nobody can sign with")
	}
}
