package git

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"slipway.dev/cluster/api/v1alpha1"
)

// github is a stand-in for the part of GitHub's REST API that its documentation
// describes under "Create an installation access token for an app", beside a forge.
type github struct {
	*httptest.Server
	key  *rsa.PrivateKey
	mu   sync.Mutex
	made int
	life time.Duration
	now  time.Time
}

func newGitHub(t *testing.T, forge http.Handler) *github {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := &github{key: key, life: time.Hour, now: time.Now()}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v3/app/installations/{id}/access_tokens", g.accessToken)
	mux.Handle("/git/", forge)
	g.Server = httptest.NewTLSServer(mux)
	t.Cleanup(g.Close)
	return g
}

func (g *github) accessToken(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	answer := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	var claims jwt.Claims
	if err == nil {
		err = parsed.Claims(&g.key.PublicKey, &claims)
	}
	// "The JWT must be signed using RS256; iat in the past; exp no more than 10 minutes
	// into the future; iss the app's ID."
	if err != nil || claims.Issuer != "12345" || claims.IssuedAt == nil || claims.IssuedAt.Time().After(g.now) ||
		claims.Expiry == nil || claims.Expiry.Time().After(g.now.Add(10*time.Minute)) || !claims.Expiry.Time().After(g.now) {
		answer(401, map[string]string{"message": "A JSON web token could not be decoded", "documentation_url": "https://docs.github.com/rest"})
		return
	}
	if r.Header.Get("Accept") != "application/vnd.github+json" || r.PathValue("id") != "777" {
		answer(404, map[string]string{"message": "Not Found"})
		return
	}
	g.made++
	answer(201, map[string]any{
		"token": fmt.Sprintf("ghs_%d", g.made), "expires_at": g.now.Add(g.life).UTC().Format(time.RFC3339),
		"permissions": map[string]string{"contents": "read"}, "repository_selection": "selected",
	})
}

func (g *github) host() string { return strings.TrimPrefix(g.URL, "https://") }

// secret of the app, trusted with the stand-in's own certificate.
func (g *github) secret(more map[string]string) *corev1.Secret {
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(g.key)})
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "app", Annotations: map[string]string{v1alpha1.AnnotationHost: g.host()}},
		Data: map[string][]byte{
			keyAppID: []byte("12345\n"), keyAppInstallation: []byte("777"), keyAppPrivateKey: pkcs1,
			keyCA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw}),
		},
	}
	for k, v := range more {
		s.Data[k] = []byte(v)
	}
	return s
}

func TestGitHubApp(t *testing.T) {
	up := newBench(t)
	up.commit("w", "a", "1")
	up.git("w", "push", "-q", up.url("w"), "main")
	up.host.Authenticate = func(r *http.Request) (user.Info, bool) {
		name, token, _ := r.BasicAuth()
		return &user.DefaultInfo{Name: "app"}, name == "x-access-token" && strings.HasPrefix(token, "ghs_")
	}
	g := newGitHub(t, up.host.Handler())
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"},
		Spec: v1alpha1.RepositorySpec{URL: g.URL + "/git/w.git", CredentialsSecret: "app"}}
	b := newBench(t, repo, g.secret(nil))
	r := &Reconciler{Host: b.host, Remote: Remote{Private: true}, apps: apps{now: func() time.Time { return g.now }}}
	fetch := func() string {
		t.Helper()
		cred, err := r.credentials(context.Background(), repo)
		if err != nil {
			t.Fatal(err)
		}
		b.mirror("default", "copy", Source{URL: repo.Spec.URL, Credentials: cred})
		return cred.Password
	}
	if first, second := fetch(), fetch(); first != "ghs_1" || second != first {
		t.Fatal("not kept", first, second)
	}
	g.now = g.now.Add(g.life - spareLife + time.Second)
	if renewed := fetch(); renewed != "ghs_2" {
		t.Fatal("not renewed", renewed)
	}
	if n := len(r.apps.tokens); n != 1 {
		t.Fatalf("%d tokens are kept", n)
	}
	if st, _ := b.host.Branches(t.Context(), "default", "copy"); st["main"] == "" {
		t.Fatal("not fetched")
	}
}

func TestGitHubAppRefusals(t *testing.T) {
	g := newGitHub(t, http.NotFoundHandler())
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		more map[string]string
		want string
	}{
		"another app's key": {map[string]string{keyAppPrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: stranger}))}, "401 Unauthorized A JSON web token could not be decoded"},
		"no key":            {map[string]string{keyAppPrivateKey: "planted"}, "is not an RSA private key in PEM"},
		"unknown":           {map[string]string{keyAppInstallation: "778"}, "404 Not Found"},
		"not a number":      {map[string]string{keyAppInstallation: "1/../../x"}, "is not a number"},
		"API elsewhere":     {map[string]string{keyAppBaseURL: "https://evil.example/api/v3"}, "is not an https address of the host"},
		"API unencrypted":   {map[string]string{keyAppBaseURL: "http://" + g.host() + "/api/v3"}, "is not an https address of the host"},
		"API with a user":   {map[string]string{keyAppBaseURL: "https://u@" + g.host()}, "is not an https address of the host"},
		"bad authority":     {map[string]string{keyCA: "planted"}, "holds no PEM certificate"},
	} {
		repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"},
			Spec: v1alpha1.RepositorySpec{URL: g.URL + "/x.git", CredentialsSecret: "app"}}
		b := newBench(t, repo, g.secret(tc.more))
		r := &Reconciler{Host: b.host, Remote: Remote{Private: true}}
		if _, err := r.credentials(context.Background(), repo); err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if g.made != 0 {
		t.Fatalf("%d tokens were made", g.made)
	}
	for host, want := range map[string]string{"github.com": "https://api.github.com", "git.example.org:8443": "https://git.example.org:8443/api/v3"} {
		if got, err := appAPI(host, ""); got != want || err != nil {
			t.Error(host, got, err)
		}
	}
	if got, err := appAPI("github.com", "https://api.github.com/"); got != "https://api.github.com" || err != nil {
		t.Error(got, err)
	}
}

// Threat 5: the API is dialled by the same rules as the repository.
func TestGitHubAppOfAPrivateAddressIsRefused(t *testing.T) {
	g := newGitHub(t, http.NotFoundHandler())
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"},
		Spec: v1alpha1.RepositorySpec{URL: g.URL + "/x.git", CredentialsSecret: "app"}}
	b := newBench(t, repo, g.secret(nil))
	r := &Reconciler{Host: b.host}
	if _, err := r.credentials(context.Background(), repo); err == nil || !strings.Contains(err.Error(), "private network") || g.made != 0 {
		t.Fatal(err)
	}
}

// An API that redirects gets the proof, and nobody else.
func TestGitHubAppProofIsNotRedirected(t *testing.T) {
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	g := newGitHub(t, http.NotFoundHandler())
	g.Config.Handler = http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect)
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"},
		Spec: v1alpha1.RepositorySpec{URL: g.URL + "/x.git", CredentialsSecret: "app"}}
	b := newBench(t, repo, g.secret(nil))
	r := &Reconciler{Host: b.host, Remote: Remote{Private: true}}
	if _, err := r.credentials(context.Background(), repo); err == nil || !strings.Contains(err.Error(), "307") || reached {
		t.Fatal(err, reached)
	}
}

// Threat 6: a forge that redirects to another host does not take the token along, not in
// the first request and not in the one for the pack.
func TestCredentialsDoNotFollowARedirect(t *testing.T) {
	up := newBench(t)
	up.commit("w", "a", "1")
	up.git("w", "push", "-q", up.url("w"), "main")
	for name, tc := range map[string]struct{ pack bool }{"refs": {false}, "pack": {true}} {
		var seen []string
		evil := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.URL.Path+" "+r.Header.Get("Authorization"))
			http.Error(w, "no", http.StatusNotFound)
		}))
		defer evil.Close()
		up.host.Authenticate = anonymous
		forge := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/info/refs") == tc.pack {
				up.host.Handler().ServeHTTP(w, r)
				return
			}
			http.Redirect(w, r, evil.URL+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		}))
		defer forge.Close()
		pool := x509.NewCertPool()
		pool.AddCert(forge.Certificate())
		pool.AddCert(evil.Certificate())
		b := newBench(t)
		err := b.host.Fetch(t.Context(), "default", "copy", Source{URL: forge.URL + "/git/w.git", Remote: Remote{Private: true},
			Credentials: &Credentials{Username: "u", Password: "planted", Roots: pool, Scope: "default/x"}})
		if err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", name, err)
		}
		for _, s := range seen {
			if !strings.HasSuffix(s, " ") {
				t.Errorf("%s: credentials went along: %s", name, s)
			}
		}
	}
	// The last gate holds whatever go-git does.
	ctx := withRules(t.Context(), rules{Remote: Remote{Private: true}, host: "forge.example:443"})
	for address, want := range map[string]bool{"https://evil.example/": false, "http://forge.example/": false, "https://forge.example:8443/": false} {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		r.SetBasicAuth("u", "planted")
		if _, err := (boundedTransport{&http.Transport{}}).RoundTrip(r); (err == nil) != want || !strings.Contains(fmt.Sprint(err), errCredentials.Error()) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
