package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestIDTokens: a job gets two tokens, and somebody who knows nothing but the server's
// address checks one, as clouds and vaults do.
func TestIDTokens(t *testing.T) {
	together(t)
	r := newRepo(t, "federated", map[string]string{".gitlab-ci.yml": `
login:
  image: busybox
  variables: {CI_PROJECT_PATH: other/forged, WHERE: vault}
  id_tokens:
    VAULT_TOKEN: {aud: "https://$WHERE.example"}
    CLOUD_TOKEN: {aud: [https://cloud.example, second]}
  script:
    - echo "it is $VAULT_TOKEN"
    - printf %s "$VAULT_TOKEN" > vault.jwt
    - printf %s "$CLOUD_TOKEN" > cloud.jwt
  artifacts: {paths: [vault.jwt, cloud.jwt]}
`})
	r.push()
	run := r.finished()
	if run.Status.Phase != api.Succeeded {
		t.Fatalf("%s %s\n%s", run.Status.Phase, run.Status.Message, r.log("login"))
	}
	if log := r.log("login"); !strings.Contains(log, "it is [MASKED]") {
		t.Errorf("the token is in the log:\n%s", log)
	}

	get := func(url string, v any) {
		t.Helper()
		resp, err := http.Get(url) // without a login
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(v); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", url, resp.Status, err)
		}
	}
	var discovery struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	get(user.Server+"/.well-known/openid-configuration", &discovery)
	if discovery.Issuer != user.Server {
		t.Errorf("issuer %s", discovery.Issuer)
	}
	var set jose.JSONWebKeySet
	get(discovery.Keys, &set)

	token, err := jwt.ParseSigned(r.archive("login")["vault.jwt"], []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var registered jwt.Claims
	claims := map[string]any{}
	if err := token.Claims(set, &registered, &claims); err != nil {
		t.Fatal(err)
	}
	if err := registered.Validate(jwt.Expected{Issuer: discovery.Issuer, AnyAudience: jwt.Audience{"https://vault.example"}, Time: time.Now()}); err != nil {
		t.Error(err)
	}
	if err := registered.Validate(jwt.Expected{AnyAudience: jwt.Audience{"https://cloud.example"}, Time: time.Now()}); err == nil {
		t.Error("the token of one audience is good for another")
	}
	for name, want := range map[string]string{
		"sub": "project_path:default/federated:ref_type:branch:ref:main", "project_path": "default/federated", "ref_protected": "true",
		"pipeline_source": "push", "user_login": "admin", "sha": run.Spec.Commit, "job_id": "federated-1-login-1",
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %s", name, claims[name], want)
		}
	}
}
