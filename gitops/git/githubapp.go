package git

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	corev1 "k8s.io/api/core/v1"
)

// The keys of a Secret with a GitHub App, named as Argo CD and Flux name them.
const (
	keyAppID           = "githubAppID"
	keyAppInstallation = "githubAppInstallationID"
	keyAppPrivateKey   = "githubAppPrivateKey"
	keyAppBaseURL      = "githubAppBaseURL"
)

// spareLife of a token is what must be left of it for a fetch to begin with it.
const spareLife = 2 * time.Minute

// apps keeps the installation tokens of GitHub Apps until shortly before they expire,
// in memory only.
type apps struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]appToken
	// now is the clock; nil: the real one.
	now func() time.Time
}

type appToken struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires_at"`
}

// token of the installation that the Secret names. It is asked for at the API of host,
// and nowhere else: the Secret is bound to that host.
func (a *apps) token(ctx context.Context, p Remote, roots *x509.CertPool, host string, s *corev1.Secret) (string, error) {
	now := time.Now()
	if a.now != nil {
		now = a.now()
	}
	base, err := appAPI(host, string(s.Data[keyAppBaseURL]))
	if err != nil {
		return "", err
	}
	app, installation := string(bytes.TrimSpace(s.Data[keyAppID])), string(bytes.TrimSpace(s.Data[keyAppInstallation]))
	if installation == "" || strings.Trim(installation, "0123456789") != "" {
		return "", fmt.Errorf("%s is not a number; the address of the installation's settings ends with it", keyAppInstallation)
	}
	// A new key, or another app, is another entry; the old one expires.
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", base, app, installation, s.Data[keyAppPrivateKey]))
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, t := range a.tokens {
		if !now.Before(t.Expires) {
			delete(a.tokens, k)
		}
	}
	if t, ok := a.tokens[key]; ok && now.Add(spareLife).Before(t.Expires) {
		return t.Token, nil
	}
	proof, err := appProof(app, s.Data[keyAppPrivateKey], now)
	if err != nil {
		return "", err
	}
	t, err := askToken(ctx, p.client(roots), base+"/app/installations/"+installation+"/access_tokens", proof)
	if err != nil {
		return "", fmt.Errorf("github app %s, installation %s: %w", clip(app, 50), installation, err)
	}
	if a.tokens == nil {
		a.tokens = map[[sha256.Size]byte]appToken{}
	}
	a.tokens[key] = t
	return t.Token, nil
}

// appAPI is the address of the API that belongs to a host: api.github.com, or the one
// of a GitHub Enterprise Server. A Secret may say it, but not move it to another host.
func appAPI(host, given string) (string, error) {
	if given == "" {
		if host == "github.com" {
			return "https://api.github.com", nil
		}
		return "https://" + host + "/api/v3", nil
	}
	u, err := url.Parse(strings.TrimSuffix(given, "/"))
	if err != nil || u.Scheme != "https" || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Host != host && u.Host != "api."+host {
		return "", fmt.Errorf("%s is not an https address of the host %s", keyAppBaseURL, host)
	}
	return u.String(), nil
}

// appProof is the JWT by which an app says who it is, as GitHub documents it: issued a
// minute ago, for clocks that differ, and good for at most ten.
func appProof(app string, private []byte, now time.Time) (string, error) {
	key, err := rsaKey(private)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("%s: %w", keyAppPrivateKey, err)
	}
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: app, IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), Expiry: jwt.NewNumericDate(now.Add(8 * time.Minute)),
	}).Serialize()
}

func rsaKey(text []byte) (*rsa.PrivateKey, error) {
	bad := errors.New(keyAppPrivateKey + " is not an RSA private key in PEM; make one at the app's settings")
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, bad
	}
	if k, err := x509.ParsePKCS1PrivateKey(b.Bytes); err == nil {
		return k, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if key, ok := k.(*rsa.PrivateKey); ok && err == nil {
		return key, nil
	}
	return nil, bad
}

// askToken never follows a redirect: it would carry the proof elsewhere.
func askToken(ctx context.Context, c *http.Client, address, proof string) (appToken, error) {
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return appToken{}, err
	}
	r.Header.Set("Authorization", "Bearer "+proof)
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	answer, err := c.Do(r)
	if err != nil {
		return appToken{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return appToken{}, err
	}
	if later := asksForPatience(answer, time.Now()); later != nil {
		return appToken{}, later
	}
	if answer.StatusCode != http.StatusCreated {
		var said struct{ Message string }
		_ = json.Unmarshal(body, &said) // a proxy's answer says nothing
		return appToken{}, fmt.Errorf("no token: the API answers %s %s", answer.Status, clip(said.Message, 200))
	}
	var t appToken
	if err := json.Unmarshal(body, &t); err != nil || t.Token == "" || t.Expires.IsZero() {
		return appToken{}, errors.New("no token: the API answers something else")
	}
	return t, nil
}
