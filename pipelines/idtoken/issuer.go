// Package idtoken owns the server's OpenID Connect issuer: the keys, the tokens signed
// with them for attempts of jobs (id_tokens), and the two documents by which others
// check such a token. It never decides which job gets a token or what is said of it:
// its caller does, from objects that the job cannot change. Start at Open.
package idtoken

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// Paths of the documents on the front door, readable without a login.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/.well-known/jwks.json"
)

// maxAge is how long others may keep the documents. The next key is published for
// much longer before it signs.
const maxAge = time.Hour

// Issuer signs tokens and serves what checks them.
type Issuer struct {
	url  string
	keys *keys
	now  func() time.Time
}

// Open the issuer that is known under url, with the keys of file; the first are made,
// mode 0600, where the file is missing.
func Open(file, url string) (*Issuer, error) {
	i := &Issuer{url: strings.TrimSuffix(url, "/"), now: time.Now, keys: &keys{file: file}}
	if _, err := i.keys.at(i.now()); err != nil {
		return nil, fmt.Errorf("keys of id_tokens: %w", err)
	}
	return i, nil
}

// Claims of a token, by the names that GitLab gives them.
type Claims struct {
	NamespaceID          string `json:"namespace_id"`
	NamespacePath        string `json:"namespace_path"`
	ProjectID            string `json:"project_id"`
	ProjectPath          string `json:"project_path"`
	UserLogin            string `json:"user_login"`
	PipelineID           string `json:"pipeline_id"`
	PipelineSource       string `json:"pipeline_source"`
	JobID                string `json:"job_id"`
	Ref                  string `json:"ref"`
	RefType              string `json:"ref_type"`
	RefPath              string `json:"ref_path"`
	RefProtected         string `json:"ref_protected"`
	Environment          string `json:"environment,omitempty"`
	EnvironmentProtected string `json:"environment_protected,omitempty"`
	DeploymentTier       string `json:"deployment_tier,omitempty"`
	EnvironmentAction    string `json:"environment_action,omitempty"`
	RunnerEnvironment    string `json:"runner_environment"`
	SHA                  string `json:"sha"`
	ProjectVisibility    string `json:"project_visibility"`
	ConfigRefURI         string `json:"ci_config_ref_uri"`
	ConfigSHA            string `json:"ci_config_sha"`
}

func (c *Claims) subject() string {
	return "project_path:" + c.ProjectPath + ":ref_type:" + c.RefType + ":ref:" + c.Ref
}

// Sign a token for the audiences, good for that long.
func (i *Issuer) Sign(c Claims, audiences []string, good time.Duration) (string, error) {
	now := i.now()
	ring, err := i.keys.at(now)
	if err != nil {
		return "", fmt.Errorf("keys of id_tokens: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: ring.signing(now)}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign an id_token: %w", err)
	}
	registered := jwt.Claims{
		Issuer: i.url, Subject: c.subject(), Audience: audiences, ID: uuid.NewString(),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now.Add(-leeway)), Expiry: jwt.NewNumericDate(now.Add(good)),
	}
	token, err := jwt.Signed(signer).Claims(registered).Claims(c).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign an id_token: %w", err)
	}
	return token, nil
}

// leeway is for the clocks of those who check.
const leeway = 5 * time.Second

// Handler serves both documents.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+DiscoveryPath, func(w http.ResponseWriter, _ *http.Request) { document(w, i.discovery()) })
	mux.HandleFunc("GET "+KeysPath, func(w http.ResponseWriter, _ *http.Request) {
		ring, err := i.keys.at(i.now())
		if err != nil {
			http.Error(w, "the keys cannot be read now", http.StatusServiceUnavailable)
			return
		}
		document(w, ring.public())
	})
	return mux
}

func (i *Issuer) discovery() map[string]any {
	return map[string]any{
		"issuer":                                i.url,
		"jwks_uri":                              i.url + KeysPath,
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(jose.RS256)},
		"scopes_supported":                      []string{"openid"},
		"claims_supported": []string{
			"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "namespace_id", "namespace_path", "project_id", "project_path", "user_login",
			"pipeline_id", "pipeline_source", "job_id", "ref", "ref_type", "ref_path", "ref_protected", "environment", "environment_protected",
			"deployment_tier", "environment_action", "runner_environment", "sha", "project_visibility", "ci_config_ref_uri", "ci_config_sha",
		},
	}
}

func document(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(maxAge/time.Second)))
	_ = json.NewEncoder(w).Encode(v) // who asked has gone
}
