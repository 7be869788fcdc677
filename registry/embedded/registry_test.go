package embedded

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"slipway.dev/cluster/disk"
)

// people is an Authenticator and an Authorizer: password "<user>-secret", and
// each user may do all in the namespace of the same name; "reader" may pull there.
type people struct{}

func (people) Authenticate(_ context.Context, _, password string) (User, error) {
	for _, u := range []string{"default", "other", "reader"} {
		if subtle.ConstantTimeCompare([]byte(password), []byte(u+"-secret")) == 1 {
			return User{Name: u}, nil
		}
	}
	return User{}, ErrUnauthenticated
}

func (people) Allowed(_ context.Context, u User, verb, namespace, resource, _ string) (bool, error) {
	if resource != "images" {
		return false, fmt.Errorf("asked about %q", resource)
	}
	return u.Name == namespace || u.Name == "reader" && verb == "get" && namespace == "default", nil
}

func as(user string) authn.Authenticator {
	return &authn.Basic{Username: "any", Password: user + "-secret"}
}

func open(t *testing.T, change func(*Options)) (*Registry, string) {
	t.Helper()
	o := Options{Dir: t.TempDir(), Authenticator: people{}, Authorizer: people{}, Upstreams: []UpstreamRegistry{}}
	if change != nil {
		change(&o)
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(r)
	t.Cleanup(func() { s.Close(); _ = r.Close() })
	return r, strings.TrimPrefix(s.URL, "http://")
}

func tag(t *testing.T, s string) name.Tag {
	t.Helper()
	n, err := name.NewTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func image(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(10_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestPushAndPull(t *testing.T) {
	_, host := open(t, nil)
	img := image(t)
	dst := tag(t, host+"/default/hello:1")
	if err := remote.Write(dst, img, remote.WithAuth(as("default"))); err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(dst, remote.WithAuth(as("reader")))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := img.Digest()
	if d, _ := got.Digest(); d != want {
		t.Fatalf("pulled %s, pushed %s", d, want)
	}
	layers, err := got.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		rc, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, rc); err != nil {
			t.Fatal(err)
		}
	}
	if err := remote.Delete(dst.Context().Digest(want.String()), remote.WithAuth(as("default"))); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Image(dst, remote.WithAuth(as("default"))); err == nil {
		t.Fatal("the image is there after it was deleted")
	}
}

func TestWhoMayWhat(t *testing.T) {
	_, host := open(t, nil)
	img := image(t)
	if err := remote.Write(tag(t, host+"/default/hello:1"), img, remote.WithAuth(as("default"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ user, repo string }{
		{"reader", "default/hello"}, {"other", "default/hello"}, {"nobody", "default/hello"},
		{"default", "system/toolbox"}, {"default", "docker.io/library/node"}, {"default", ArtifactPrefix + "/x"},
	} {
		if err := remote.Write(tag(t, host+"/"+c.repo+":2"), img, remote.WithAuth(as(c.user))); err == nil {
			t.Errorf("%s pushed to %s", c.user, c.repo)
		}
	}
	for _, user := range []string{"other", "nobody"} {
		if _, err := remote.Image(tag(t, host+"/default/hello:1"), remote.WithAuth(as(user))); err == nil {
			t.Errorf("%s pulled default/hello", user)
		}
	}
	if _, err := remote.Image(tag(t, host+"/default/hello:1"), remote.WithAuth(authn.Anonymous)); err == nil {
		t.Error("nobody pulled default/hello")
	}
	// A blob of another tenant cannot be mounted.
	layers, _ := img.Layers()
	d, _ := layers[0].Digest()
	token := getToken(t, host, "other", "repository:other/x:pull,push")
	res := do(t, http.MethodPost, "http://"+host+"/v2/other/x/blobs/uploads/?mount="+d.String()+"&from=default/hello", "Bearer "+token)
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("mounting another tenant's blob: %s", res.Status)
	}
}

// Wrong tokens learn nothing: what exists and what does not answer the same.
func TestWrongTokenLearnsNothing(t *testing.T) {
	r, host := open(t, nil)
	if err := remote.Write(tag(t, host+"/default/hello:1"), image(t), remote.WithAuth(as("default"))); err != nil {
		t.Fatal(err)
	}
	for _, credential := range []string{"", "Bearer nonsense", "Bearer a.b.c", "Basic bm9ib2R5Om5vYm9keQ==", "Bearer " + getToken(t, host, "other", "repository:default/hello:pull")} {
		var bodies []string
		for _, repo := range []string{"hello", "absent"} {
			res := do(t, http.MethodGet, "http://"+host+"/v2/default/"+repo+"/manifests/1", credential)
			if res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%q on %s: %s", credential, repo, res.Status)
			}
			body, _ := io.ReadAll(res.Body)
			bodies = append(bodies, strings.ReplaceAll(string(body)+res.Header.Get("WWW-Authenticate"), repo, "X"))
		}
		if bodies[0] != bodies[1] {
			t.Errorf("%q tells what exists: %q, %q", credential, bodies[0], bodies[1])
		}
	}
	for _, path := range []string{"/v2/", "/v2/_catalog", "/v2/default/hello/tags/list", TokenPath} {
		if res := do(t, http.MethodGet, "http://"+host+path, ""); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without credentials: %s", path, res.Status)
		}
	}
	old, _, err := r.signer.signAt(timeAgo(), "default", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res := do(t, http.MethodGet, "http://"+host+"/v2/", "Bearer "+old); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("expired token: %s", res.Status)
	}
}

func TestRealmFollowsTheRequest(t *testing.T) {
	r, host := open(t, nil)
	res := do(t, http.MethodGet, "http://"+host+"/v2/", "")
	if want := `realm="http://` + host + TokenPath + `"`; !strings.Contains(res.Header.Get("WWW-Authenticate"), want) {
		t.Errorf("%q lacks %q", res.Header.Get("WWW-Authenticate"), want)
	}
	s := httptest.NewTLSServer(r)
	defer s.Close()
	req, _ := http.NewRequest(http.MethodGet, s.URL+"/v2/", nil)
	req.Header.Set("X-Forwarded-Proto", "http")
	req.Header.Set("X-Forwarded-Host", "evil.example")
	tls, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer tls.Body.Close()
	if want := `realm="` + s.URL + TokenPath + `"`; !strings.Contains(tls.Header.Get("WWW-Authenticate"), want) {
		t.Errorf("%q lacks %q", tls.Header.Get("WWW-Authenticate"), want)
	}
}

func TestOAuthTokenRequest(t *testing.T) {
	_, host := open(t, nil)
	for _, form := range []url.Values{
		{"grant_type": {"password"}, "username": {"x"}, "password": {"default-secret"}, "scope": {"repository:default/a:pull,push repository:other/a:pull"}},
		{"grant_type": {"refresh_token"}, "refresh_token": {"default-secret"}, "scope": {"repository:default/a:pull,push"}},
	} {
		res, err := http.PostForm("http://"+host+TokenPath, form)
		if err != nil {
			t.Fatal(err)
		}
		var answer tokenAnswer
		err = json.NewDecoder(res.Body).Decode(&answer)
		res.Body.Close()
		if err != nil || answer.AccessToken == "" || answer.Scope != "repository:default/a:pull,push" {
			t.Errorf("%v: %s %+v %v", form, res.Status, answer, err)
		}
	}
	res, err := http.PostForm("http://"+host+TokenPath+"?password=default-secret&grant_type=password", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a password in the URL: %s", res.Status)
	}
}

func TestHostilePaths(t *testing.T) {
	r, _ := open(t, nil)
	token, _, err := r.signer.sign("default", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{
		"/v2/default%2f..%2fother/x/manifests/1", "/v2/../v2/other/manifests/1", "/v2/Default/x/manifests/1", "/v2/x/manifests/1",
		"/v2/default/../other/x/blobs/sha256:00", "/v2/default//x/tags/list", "/v2/default/x%00/manifests/1", "/other",
	} {
		u, err := url.Parse("http://registry.test" + p)
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest(http.MethodGet, "http://registry.test/", nil)
		req.URL = u
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code < 300 || w.Code >= 500 {
			t.Errorf("%s: %d %s", p, w.Code, w.Body)
		}
	}
}

func TestDiskFull(t *testing.T) {
	_, host := open(t, func(o *Options) { o.Disk = disk.New(os.TempDir(), 1<<62) })
	err := remote.Write(tag(t, host+"/default/hello:1"), image(t), remote.WithAuth(as("default")))
	if err == nil || !strings.Contains(err.Error(), "nearly full") {
		t.Fatalf("push to a full disk: %v", err)
	}
}

func TestKeysArePrivateAndStay(t *testing.T) {
	dir := t.TempDir()
	_, host := open(t, func(o *Options) { o.Dir = dir })
	token := getToken(t, host, "default", "repository:default/hello:pull")
	info, err := os.Stat(filepath.Join(dir, "token.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("token.key: %v %v", info.Mode(), err)
	}
	_, again := open(t, func(o *Options) { o.Dir = dir })
	if res := do(t, http.MethodGet, "http://"+again+"/v2/", "Bearer "+token); res.StatusCode != http.StatusOK {
		t.Fatalf("a token after a restart: %s", res.Status)
	}
}

// TestTooManyWrongCredentials: who guesses is slowed down. From other machines that is an
// address; from this one, which pulls for all pods, a credential.
func TestTooManyWrongCredentials(t *testing.T) {
	r, _ := open(t, nil)
	ask := func(address, authorization string) int {
		req := httptest.NewRequest(http.MethodGet, TokenPath, nil)
		req.RemoteAddr = address + ":40000"
		req.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		return w.Code
	}
	slowed := func(address string, guess func(n int) string) bool {
		for n := range failureBurst * 3 {
			switch code := ask(address, guess(n)); code {
			case http.StatusTooManyRequests:
				return true
			case http.StatusUnauthorized:
			default:
				t.Fatalf("a guess from %s: %d", address, code)
			}
		}
		return false
	}
	const good = "Bearer default-secret"
	if !slowed("192.0.2.7", func(n int) string { return fmt.Sprint("Bearer guess", n) }) {
		t.Error("guessing from elsewhere is not slowed down")
	}
	if code := ask("192.0.2.7", good); code != http.StatusTooManyRequests {
		t.Errorf("the guesser's address: %d", code)
	}
	if code := ask("192.0.2.8", good); code != http.StatusOK {
		t.Errorf("another address: %d", code)
	}
	for _, local := range []string{"127.0.0.1", "[::1]"} {
		if !slowed(local, func(int) string { return "Bearer wrong" }) {
			t.Errorf("%s: a wrong credential again and again is not slowed down", local)
		}
		if code := ask(local, good); code != http.StatusOK {
			t.Errorf("%s: another pod's credential: %d", local, code)
		}
	}
}

// counting is people that counts how often it is asked.
type counting struct {
	people
	who, may atomic.Int64
}

func (c *counting) Authenticate(ctx context.Context, username, password string) (User, error) {
	c.who.Add(1)
	return c.people.Authenticate(ctx, username, password)
}

func (c *counting) Allowed(ctx context.Context, u User, verb, namespace, resource, name string) (bool, error) {
	c.may.Add(1)
	return c.people.Allowed(ctx, u, verb, namespace, resource, name)
}

// TestNobodyIsAskedForEachBlob: who and whether is asked once a token, however many layers
// an image has.
func TestNobodyIsAskedForEachBlob(t *testing.T) {
	asked := map[int64][2]int64{}
	for _, layers := range []int64{1, 40} {
		count := &counting{}
		_, host := open(t, func(o *Options) { o.Authenticator, o.Authorizer = count, count })
		img, err := random.Image(1000, layers)
		if err != nil {
			t.Fatal(err)
		}
		dst := tag(t, host+"/default/hello:1")
		if err := remote.Write(dst, img, remote.WithAuth(as("default"))); err != nil {
			t.Fatal(err)
		}
		got, err := remote.Image(dst, remote.WithAuth(as("reader")))
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := got.Layers()
		if err != nil || int64(len(pulled)) != layers {
			t.Fatalf("%d layers: %v", len(pulled), err)
		}
		for _, l := range pulled {
			rc, err := l.Compressed()
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, rc)
			if err := errors.Join(err, rc.Close()); err != nil {
				t.Fatal(err)
			}
		}
		asked[layers] = [2]int64{count.who.Load(), count.may.Load()}
	}
	if asked[1] != asked[40] || asked[1][0] == 0 || asked[1][1] == 0 {
		t.Errorf("authenticator and authorizer were asked, by layers: %v", asked)
	}
}
