package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	api "slipway.dev/cluster/api/v1alpha1"
)

// newVault stands in for a Vault, as its HTTP API is published: its JWT method checks the
// token by what the server serves, bound to an audience, a repository and a role.
func newVault(t *testing.T) *httptest.Server {
	t.Helper()
	var mu sync.Mutex
	logins := map[string]bool{}
	fail := func(w http.ResponseWriter, code int, text string) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {text}})
	}
	login := func(w http.ResponseWriter, r *http.Request) {
		var body struct{ JWT, Role string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Role != "shop" {
			fail(w, http.StatusBadRequest, `role "`+body.Role+`" could not be found`)
			return
		}
		resp, err := http.Get(user.Server + "/.well-known/jwks.json")
		if err != nil {
			fail(w, http.StatusInternalServerError, err.Error())
			return
		}
		defer resp.Body.Close()
		var set jose.JSONWebKeySet
		var registered jwt.Claims
		var claims struct {
			Project string `json:"project_path"`
		}
		token, err := jwt.ParseSigned(body.JWT, []jose.SignatureAlgorithm{jose.RS256})
		if err == nil {
			err = json.NewDecoder(resp.Body).Decode(&set)
		}
		if err == nil {
			err = token.Claims(set, &registered, &claims)
		}
		if err == nil {
			err = registered.Validate(jwt.Expected{Issuer: user.Server, AnyAudience: jwt.Audience{"https://vault.example"}, Time: time.Now()})
		}
		if err != nil || claims.Project != "default/vaulted" {
			fail(w, http.StatusBadRequest, "error validating token")
			return
		}
		mu.Lock()
		logins["hvs.planted-login"] = true
		mu.Unlock()
		_, _ = w.Write([]byte(`{"auth":{"client_token":"hvs.planted-login"}}`))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/auth/slipway/login", login)
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		known := logins[r.Header.Get("X-Vault-Token")]
		mu.Unlock()
		switch {
		case !known:
			fail(w, http.StatusForbidden, "permission denied")
		case r.URL.Path == "/v1/kv-v2/data/production/db":
			_, _ = w.Write([]byte(`{"data":{"data":{"password":"planted-password"}}}`))
		case r.URL.Path == "/v1/ops/tls/live":
			_, _ = w.Write([]byte(`{"data":{"key":"planted line one\nplanted line two\n"}}`))
		default:
			fail(w, http.StatusForbidden, "permission denied")
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// TestSecretsOfAVault reach the jobs that ask for them, as files and as values, and are
// neither in a log nor in any object.
func TestSecretsOfAVault(t *testing.T) {
	together(t)
	v := newVault(t)
	r := newRepo(t, "vaulted", map[string]string{".gitlab-ci.yml": `
default:
  image: busybox
  id_tokens: {VAULT_ID_TOKEN: {aud: https://vault.example}}
deploy:
  variables: {URL: "db://$PASSWORD@host"}
  secrets:
    PASSWORD: {vault: production/db/password, file: false}
    KEY: {vault: {engine: {name: kv-v1, path: ops}, path: tls/live, field: key}, token: $VAULT_ID_TOKEN}
  script:
    - test "$(printf %s "$PASSWORD" | wc -c)" = 16
    - test "$(printf %s "$URL" | wc -c)" = 26
    - test "$(wc -l < "$KEY")" = 2
    - echo "it is $PASSWORD"
    - cat "$KEY"
forbidden:
  allow_failure: true
  secrets: {OTHER: {vault: production/other/password@kv-v2}}
  script: [echo never]
`})
	r.push() // refused: there is no server yet
	if run := r.finished(); run.Status.Phase != api.Failed || len(run.Status.Problems) == 0 || !strings.Contains(run.Status.Problems[0].Message, "VAULT_SERVER_URL") {
		t.Fatalf("%+v", run.Status)
	}
	for name, value := range map[string]string{"VAULT_SERVER_URL": v.URL, "VAULT_AUTH_ROLE": "shop", "VAULT_AUTH_PATH": "slipway"} {
		body := map[string]any{"name": name, "value": value, "repository": r.name, "visible": true}
		if err := user.Call(t.Context(), http.MethodPost, user.Path("variables"), body, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.push()
	run := r.succeeded()
	log := r.log("deploy")
	// The commands that are shown have the first value in two pieces.
	said := strings.ReplaceAll(log, `planted-""password`, "")
	if !strings.Contains(said, "it is [MASKED]") || strings.Contains(said, "planted") {
		t.Errorf("log:\n%s", log)
	}
	for _, j := range run.Status.Jobs {
		if j.Name == "forbidden" && (j.Phase != api.Failed || j.Reason != "system" || !strings.Contains(j.Message, "permission denied")) {
			t.Errorf("%+v", j)
		}
	}
	for _, kind := range []string{"run", "taskrun,pod,secret,event,configmap"} {
		if out := must(t, "kubectl", "get", kind, "-o", "yaml"); strings.Contains(out, "planted-password") || strings.Contains(out, "cGxhbnRlZC1wYXNzd29yZ") {
			t.Errorf("a value is in a %s", kind)
		}
	}
}
