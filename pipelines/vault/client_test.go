package vault

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// standIn is a Vault as its API is published: JWT login at a mount, key-value engines,
// errors as a list, a token that is given back.
type standIn struct {
	t       *testing.T
	revoked int
	seen    []string
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.seen = append(s.seen, r.Method+" "+r.URL.EscapedPath())
	fail := func(code int, errors ...string) {
		w.WriteHeader(code)
		if err := json.NewEncoder(w).Encode(map[string][]string{"errors": errors}); err != nil {
			s.t.Error(err)
		}
	}
	if r.URL.Path == "/v1/auth/ci/jwt/login" || r.URL.Path == "/v1/auth/jwt/login" {
		var body struct{ JWT, Role string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.JWT != "signed" || r.Header.Get("X-Vault-Token") != "" {
			fail(http.StatusBadRequest, "error validating token: invalid audience (aud) claim")
			return
		}
		if body.Role == "none" {
			fail(http.StatusBadRequest, `role "none" could not be found`)
			return
		}
		_, _ = w.Write([]byte(`{"auth":{"client_token":"hvs.planted","lease_duration":3600}}`))
		return
	}
	if r.Header.Get("X-Vault-Token") != "hvs.planted" {
		fail(http.StatusForbidden, "permission denied")
		return
	}
	switch r.URL.Path {
	case "/v1/auth/token/revoke-self":
		s.revoked++
		w.WriteHeader(http.StatusNoContent)
	case "/v1/ops/team/data/production/my db":
		_, _ = w.Write([]byte(`{"data":{"data":{"password":"planted pa$$","port":5432,"more":{"a":[1]}},"metadata":{"version":3}}}`))
	case "/v1/old/production/db":
		_, _ = w.Write([]byte(`{"data":{"password":"of v1"}}`))
	case "/v1/ns/data/x":
		if r.Header.Get("X-Vault-Namespace") != "team/a" {
			fail(http.StatusForbidden, "permission denied")
			return
		}
		_, _ = w.Write([]byte(`{"data":{"data":{"f":"in a namespace"}}}`))
	case "/v1/moved/data/x":
		http.Redirect(w, r, "http://elsewhere.example/", http.StatusTemporaryRedirect)
	case "/v1/large/data/x":
		_, _ = w.Write([]byte(strings.Repeat("x", maxAnswer+1)))
	default:
		fail(http.StatusNotFound)
	}
}

func TestRead(t *testing.T) {
	v := &standIn{t: t}
	server := httptest.NewServer(v)
	defer server.Close()
	login := func(change func(*Login)) Login {
		l := Login{Server: server.URL + "/", JWT: "signed", Role: "shop"}
		if change != nil {
			change(&l)
		}
		return l
	}
	db := func(field string) Secret {
		return Secret{Engine: KV2, Mount: "ops/team", Path: "production/my db", Field: field}
	}
	for name, tt := range map[string]struct {
		login   Login
		secrets []Secret
		want    []string
		fails   string
	}{
		"several fields": {login(nil), []Secret{db("password"), db("port"), db("more")}, []string{"planted pa$$", "5432", `{"a":[1]}`}, ""},
		"another mount":  {login(func(l *Login) { l.AuthPath = "ci/jwt" }), []Secret{{KV1, "old", "production/db", "password"}}, []string{"of v1"}, ""},
		"generic":        {login(nil), []Secret{{Generic, "old/", "/production/db", "password"}}, []string{"of v1"}, ""},
		"a namespace":    {login(func(l *Login) { l.Namespace = "team/a" }), []Secret{{KV2, "ns", "x", "f"}}, []string{"in a namespace"}, ""},
		"no namespace":   {login(nil), []Secret{{KV2, "ns", "x", "f"}}, nil, "ns/x: permission denied (403)"},
		"no role":        {login(func(l *Login) { l.Role = "none" }), []Secret{db("password")}, nil, `login at auth/jwt with role "none": role "none" could not be found (400)`},
		"a bad token":    {login(func(l *Login) { l.JWT = "forged" }), []Secret{db("password")}, nil, "error validating token"},
		"no token":       {login(func(l *Login) { l.JWT = "" }), []Secret{db("password")}, nil, "name one of id_tokens"},
		"no field":       {login(nil), []Secret{db("passwort")}, nil, `ops/team/production/my db has no field "passwort"`},
		"no secret":      {login(nil), []Secret{{KV2, "ops", "gone", "x"}}, nil, "ops/gone: Not Found (404)"},
		"another engine": {login(nil), []Secret{{KV2, "old", "production/db", "x"}}, nil, "404"},
		"traversal":      {login(nil), []Secret{{KV2, "ops", "../../sys/seal", "x"}}, nil, "is not a path"},
		"a redirect":     {login(nil), []Secret{{KV2, "moved", "x", "f"}}, nil, "it redirects (307)"},
		"a flood":        {login(nil), []Secret{{KV2, "large", "x", "f"}}, nil, "more than 1048576 bytes"},
		"no address":     {login(func(l *Login) { l.Server = "vault" }), []Secret{db("x")}, nil, "its address is not one"},
		"with a user":    {login(func(l *Login) { l.Server = "https://u:planted@vault" }), []Secret{db("x")}, nil, "its address is not one"},
		"nobody there":   {login(func(l *Login) { l.Server = "http://127.0.0.1:1" }), []Secret{db("x")}, nil, "connection refused"},
	} {
		v.revoked = 0
		got, err := New(http.DefaultTransport).Read(t.Context(), tt.login, tt.secrets)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "planted") || strings.Contains(err.Error(), "signed") {
				t.Errorf("%s: %v, want %q", name, err, tt.fails)
			}
			continue
		}
		if err != nil || strings.Join(got, "|") != strings.Join(tt.want, "|") || v.revoked != 1 {
			t.Errorf("%s: %q %v, %d logins given back", name, got, err, v.revoked)
		}
	}
	// One reading of a path serves all of its fields.
	v.seen = nil
	if _, err := New(http.DefaultTransport).Read(t.Context(), login(nil), []Secret{db("password"), db("port")}); err != nil || len(v.seen) != 3 {
		t.Errorf("%q %v", v.seen, err)
	}
}
