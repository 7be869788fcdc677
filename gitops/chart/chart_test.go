package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/outside"
	"slipway.dev/gitops/render"
)

// TestMain trusts the certificate of httptest's servers, and lets the test binary be the
// child that a render.Runner starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "render" {
		if err := render.Main(os.Stdin, os.Stdout, nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	s := httptest.NewTLSServer(http.NotFoundHandler())
	dir, err := os.MkdirTemp("", "chart")
	if err != nil {
		panic(err)
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		panic(err)
	}
	s.Close()
	os.Setenv("SSL_CERT_FILE", ca)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// inProcess reads an index here; the child is tested where it is.
type inProcess struct{}

func (inProcess) Find(_ context.Context, dir string, q render.IndexQuery) (*render.IndexEntry, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return render.Find(root, q)
}

func client(t testing.TB) *Client {
	return &Client{Dir: t.TempDir(), Guard: outside.Guard{Private: true}, Index: inProcess{}}
}

func archive(version string) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	text := "apiVersion: v2\nname: shop\nversion: " + version + "\n"
	_ = tw.WriteHeader(&tar.Header{Name: "shop/Chart.yaml", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))})
	_, _ = io.WriteString(tw, text)
	_ = tw.Close()
	_ = zw.Close()
	return b.Bytes()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// repository serves charts by an index; its fields change what it answers.
type repository struct {
	*httptest.Server
	index           string
	tag             string
	user, password  string
	seen            []string
	indexes, charts atomic.Int64
}

func newRepository(t testing.TB) *repository {
	r := &repository{}
	r.index = fmt.Sprintf(`apiVersion: v1
entries:
  other: [{version: 9.0.0, urls: [x.tgz]}]
  shop:
  - {version: 1.2.0, urls: [shop-1.2.0.tgz], digest: %s}
  - {version: 1.10.0, urls: [charts/shop-1.10.0.tgz]}
  - {version: 2.0.0-rc.1, urls: [shop-2.0.0-rc.1.tgz]}
  - {version: 0.1.0, urls: [shop-1.2.0.tgz], digest: %s}
  - {version: not one, urls: [x.tgz]}
`, strings.TrimPrefix(digest(archive("1.2.0")), "sha256:"), strings.Repeat("0", 64))
	r.Server = httptest.NewTLSServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *repository) serve(w http.ResponseWriter, q *http.Request) {
	user, password, ok := q.BasicAuth()
	if ok {
		r.seen = append(r.seen, user+":"+password)
	}
	if r.password != "" && (user != r.user || password != r.password) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if q.URL.Path == "/stable/index.yaml" {
		r.indexes.Add(1)
		if r.tag != "" {
			w.Header().Set("ETag", r.tag)
			if q.Header.Get("If-None-Match") == r.tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		_, _ = io.WriteString(w, r.index)
		return
	}
	r.charts.Add(1)
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(q.URL.Path), "shop-"), ".tgz")
	if !strings.Contains(q.URL.Path, "shop-") {
		http.NotFound(w, q)
		return
	}
	_, _ = w.Write(archive(version))
}

func (r *repository) ref(version string) Ref {
	return Ref{Namespace: "default", Repository: r.URL + "/stable", Chart: "shop", Version: version}
}

func TestVersionsOfAnIndex(t *testing.T) {
	r, c := newRepository(t), client(t)
	for wish, want := range map[string]string{
		"": "1.10.0", "1.2.0": "1.2.0", "1.x": "1.10.0", "~1.2": "1.2.0", ">=1.0.0 <1.5.0": "1.2.0", "2.0.0-rc.1": "2.0.0-rc.1", "^2.0.0-0": "2.0.0-rc.1",
	} {
		found, err := c.Resolve(t.Context(), r.ref(wish))
		require.NoError(t, err, wish)
		require.Equal(t, want, found.Version, wish)
		require.Equal(t, digest(archive(want)), found.Digest)
		file, err := c.Archive(t.Context(), r.ref(found.Version), found.Digest)
		require.NoError(t, err)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, archive(want), data)
	}
	require.EqualValues(t, 1, r.indexes.Load(), "the index is not asked for again at once")
	for wish, want := range map[string]string{
		"3.x": `no version of it is "3.x"; there are 1.2.0, `, "one": "neither a version nor a range", "0.1.0": "is not what was promised", "not one": "there is no such file",
	} {
		_, err := c.Resolve(t.Context(), r.ref(wish))
		require.ErrorContains(t, err, want, wish)
		var refusal *render.Error
		require.ErrorAs(t, err, &refusal)
	}
	ref := r.ref("")
	ref.Chart = "none"
	_, err := c.Resolve(t.Context(), ref)
	require.ErrorContains(t, err, `chart "none" is not in the repository`)
}

// The child may read the index, and nobody else may look in here.
func TestIndexIsReadByTheChild(t *testing.T) {
	r, c := newRepository(t), client(t)
	c.Dir, c.Index = filepath.Join(t.TempDir(), "charts"), &render.Runner{}
	found, err := c.Resolve(t.Context(), r.ref("1.x"))
	require.NoError(t, err)
	require.Equal(t, "1.10.0", found.Version)
	info, err := os.Stat(c.Dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestIndexIsRevalidated(t *testing.T) {
	r, c := newRepository(t), client(t)
	r.tag = `"one"`
	_, err := c.Resolve(t.Context(), r.ref("1.2.0"))
	require.NoError(t, err)
	old := time.Now().Add(-2 * fresh)
	indexes, _ := filepath.Glob(filepath.Join(c.Dir, "default", "index-*.yaml"))
	require.Len(t, indexes, 1)
	require.NoError(t, os.Chtimes(indexes[0], old, old))
	_, err = c.Resolve(t.Context(), r.ref("1.2.0"))
	require.NoError(t, err)
	require.EqualValues(t, 2, r.indexes.Load())
	require.EqualValues(t, 1, r.charts.Load(), "the chart is kept")
	require.NoError(t, os.Chtimes(indexes[0], old, old))
	r.tag, r.index = `"two"`, strings.ReplaceAll(r.index, "1.10.0", "1.11.0")
	found, err := c.Resolve(t.Context(), r.ref(""))
	require.NoError(t, err)
	require.Equal(t, "1.11.0", found.Version)
}

func TestLostArchiveIsFetchedAgainAndMustBeTheSame(t *testing.T) {
	r, c := newRepository(t), client(t)
	found, err := c.Resolve(t.Context(), r.ref("1.10.0"))
	require.NoError(t, err)
	file, err := c.Archive(t.Context(), r.ref("1.10.0"), found.Digest)
	require.NoError(t, err)
	require.NoError(t, os.Remove(file))
	again, err := c.Archive(t.Context(), r.ref("1.10.0"), found.Digest)
	require.NoError(t, err)
	require.Equal(t, file, again)
	_, err = c.Archive(t.Context(), r.ref("1.10.0"), digest([]byte("other")))
	require.ErrorContains(t, err, "was changed where it is kept")
	for _, bad := range []string{"", "sha256:../../x", "md5:00"} {
		_, err = c.Archive(t.Context(), r.ref("1.10.0"), bad)
		require.ErrorContains(t, err, "is no digest")
	}
	_, ok := c.kept("other", found.Digest)
	require.False(t, ok, "another tenant has to be able to fetch it itself")
}

func TestCacheIsBounded(t *testing.T) {
	r, c := newRepository(t), client(t)
	c.MaxCache = 1 // only the newest stays
	for _, v := range []string{"1.2.0", "1.10.0"} {
		found, err := c.Resolve(t.Context(), r.ref(v))
		require.NoError(t, err)
		_, ok := c.kept("default", found.Digest)
		require.True(t, ok)
	}
	left, _ := filepath.Glob(filepath.Join(c.Dir, "default", "*.tgz"))
	require.Len(t, left, 1)
}

// Threat 5: addresses inside, by name, by redirect, by what an index says.
func TestAddresses(t *testing.T) {
	r := newRepository(t)
	c := client(t)
	for name, index := range map[string]string{
		"link-local":    "entries: {shop: [{version: 1.0.0, urls: ['https://169.254.169.254/x.tgz']}]}",
		"plain":         "entries: {shop: [{version: 1.0.0, urls: ['http://127.0.0.1:1/x.tgz']}]}",
		"file":          "entries: {shop: [{version: 1.0.0, urls: ['file:///etc/passwd']}]}",
		"credentials":   "entries: {shop: [{version: 1.0.0, urls: ['https://u:p@127.0.0.1/x.tgz']}]}",
		"no digest":     "entries: {shop: [{version: 1.0.0, urls: [x.tgz], digest: '../../x'}]}",
		"no entries":    "{}",
		"list":          "[1]",
		"not yaml":      "a: [",
		"entry strange": "entries: {shop: {version: 1}}",
	} {
		r.index = index
		c.Dir = t.TempDir()
		_, err := c.Resolve(t.Context(), r.ref(""))
		var refusal *render.Error
		require.ErrorAs(t, err, &refusal, name)
		require.NotContains(t, err.Error(), "u:p@")
	}
	c.Guard.Private, c.Dir = false, t.TempDir()
	for _, raw := range []string{r.URL + "/stable", strings.Replace(r.URL, "127.0.0.1", "localhost", 1), strings.Replace(r.URL, "https", "oci", 1)} {
		_, err := c.Resolve(t.Context(), Ref{Namespace: "default", Repository: raw, Chart: "shop", Version: "1.0.0"})
		require.ErrorContains(t, err, "is in a private network", raw)
		var refusal *render.Error
		require.ErrorAs(t, err, &refusal, "trying again does not help")
	}
	c.Guard.Private = true
	inside := httptest.NewTLSServer(http.RedirectHandler("https://169.254.169.254/", http.StatusFound))
	defer inside.Close()
	_, err := c.Resolve(t.Context(), Ref{Namespace: "default", Repository: inside.URL, Chart: "shop"})
	require.ErrorContains(t, err, "169.254.169.254: address not allowed")
}

// Threat 2 and 3.
func TestNamesAndURLs(t *testing.T) {
	c := client(t)
	for _, ref := range []Ref{
		{Repository: "ext::sh -c x", Chart: "x"}, {Repository: "file:///etc", Chart: "x"}, {Repository: "-oProxyCommand=x", Chart: "x"},
		{Repository: "https://u:planted@host.example/", Chart: "x"}, {Repository: "https://host.example/?token=planted", Chart: "x"}, {Repository: "https://", Chart: "x"},
		{Repository: "https://host.example/\r\n", Chart: "x"}, {Repository: "git+https://host.example", Chart: "x"}, {Repository: "https://registry.slipway.internal/x", Chart: "x"},
		{Repository: "https://host.example", Chart: "../x"}, {Repository: "https://host.example", Chart: ""}, {Repository: "https://host.example", Chart: "a/../../x"},
		{Repository: "https://host.example", Chart: "x\x00"}, {Repository: "oci://host.example/UPPER", Chart: "x"},
	} {
		_, err := c.Resolve(t.Context(), ref)
		var refusal *render.Error
		require.ErrorAs(t, err, &refusal, "%v", ref)
		require.NotContains(t, err.Error(), "planted")
	}
}

// Threat 6.
func TestCredentials(t *testing.T) {
	r, c := newRepository(t), client(t)
	r.user, r.password = "ada", "planted"
	ref := r.ref("1.2.0")
	_, err := c.Resolve(t.Context(), ref)
	require.ErrorContains(t, err, "wants credentials")
	u, _ := url.Parse(r.URL)
	ref.Credentials = &Credentials{Host: "elsewhere.example", Username: "ada", Password: "planted"}
	_, err = c.Resolve(t.Context(), ref)
	require.ErrorContains(t, err, "wants credentials")
	require.Empty(t, r.seen, "they are bound to another host")
	ref.Credentials.Host = u.Host
	_, err = c.Resolve(t.Context(), ref)
	require.NoError(t, err)

	// An index may name another host, which is sent nothing.
	other := newRepository(t)
	r.index = "entries: {shop: [{version: 3.0.0, urls: ['" + other.URL + "/shop-3.0.0.tgz']}]}"
	c = client(t)
	ref.Version = "3.0.0"
	_, err = c.Resolve(t.Context(), ref)
	require.NoError(t, err)
	require.Empty(t, other.seen)

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	u, _ = url.Parse(plain.URL)
	_, err = c.Resolve(t.Context(), Ref{Namespace: "default", Repository: plain.URL, Chart: "shop", Credentials: &Credentials{Host: u.Host, Username: "ada", Password: "planted"}})
	require.ErrorContains(t, err, "credentials are not sent over plain http")
}

// Threat 9: what is larger than allowed ends early and is not kept.
func TestLimits(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/good/") && strings.HasSuffix(r.URL.Path, "index.yaml") {
			_, _ = io.WriteString(w, "entries: {shop: [{version: 1.0.0, urls: [shop.tgz]}]}")
			return
		}
		chunk := make([]byte, 1<<20)
		for range 200 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	c := client(t)
	for path, want := range map[string]string{"/bad": "larger than 48 MiB", "/good/": "larger than 16 MiB"} {
		_, err := c.Resolve(t.Context(), Ref{Namespace: "default", Repository: s.URL + path, Chart: "shop"})
		require.ErrorContains(t, err, want)
	}
	left, _ := filepath.Glob(filepath.Join(c.Dir, "default", ".new-*"))
	require.Empty(t, left)
}

func push(t testing.TB, host, repo, tag string, layer []byte, media types.MediaType) {
	t.Helper()
	image, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{Layer: static.NewLayer(layer, media)})
	require.NoError(t, err)
	ref, err := name.NewTag(host + "/" + repo + ":" + tag)
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image))
}

func TestRegistry(t *testing.T) {
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	for _, v := range []string{"1.2.0", "1.10.0", "2.0.0_build.7"} {
		push(t, host, "charts/shop", v, archive(v), layerType)
	}
	push(t, host, "charts/image", "1.0.0", []byte("layer"), types.OCILayer)
	push(t, host, "charts/large", "1.0.0", make([]byte, maxArchive+1), layerType)
	c := client(t)
	ref := Ref{Namespace: "default", Repository: "oci://" + host + "/charts", Chart: "shop"}
	for wish, want := range map[string]string{"": "2.0.0+build.7", "1.x": "1.10.0", "1.2.0": "1.2.0", "2.0.0+build.7": "2.0.0+build.7"} {
		ref.Version = wish
		found, err := c.Resolve(t.Context(), ref)
		require.NoError(t, err, wish)
		require.Equal(t, Found{want, digest(archive(strings.ReplaceAll(want, "+", "_")))}, found)
		_, err = c.Archive(t.Context(), ref, found.Digest)
		require.NoError(t, err)
	}
	for _, x := range []struct{ chart, version, want string }{
		{"shop", "9.9.9", "there is no such chart or version"}, {"none", "", "there is no such chart or version"}, {"image", "1.0.0", "none of its layers"},
		{"large", "1.0.0", "larger than 16 MiB"}, {"shop", "4.x", "no version of it"},
	} {
		ref.Chart, ref.Version = x.chart, x.version
		_, err := c.Resolve(t.Context(), ref)
		require.ErrorContains(t, err, x.want, x.chart)
		var refusal *render.Error
		require.ErrorAs(t, err, &refusal)
	}
}

// The server's own registry has charts of the namespace only.
func TestOwnRegistry(t *testing.T) {
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	push(t, host, "default/charts/shop", "1.0.0", archive("1.0.0"), layerType)
	c := client(t)
	ref := Ref{Namespace: "default", Repository: "oci://registry.slipway.internal/default/charts", Chart: "shop"}
	_, err := c.Resolve(t.Context(), ref)
	require.ErrorContains(t, err, "charts of this server's registry")
	c.Own = rewrite{host}
	found, err := c.Resolve(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, "1.0.0", found.Version)
	ref.Namespace = "other"
	_, err = c.Resolve(t.Context(), ref)
	require.ErrorContains(t, err, "are below oci://registry.slipway.internal/other")
	ref = Ref{Namespace: "default", Repository: "oci://registry.slipway.internal/slipway__artifacts/default", Chart: "shop"}
	_, err = c.Resolve(t.Context(), ref)
	require.ErrorContains(t, err, "are below")
}

type rewrite struct{ host string }

func (r rewrite) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.URL.Scheme, q.URL.Host = "http", r.host
	return http.DefaultTransport.RoundTrip(q)
}

// Threat 6: a registry that wants the password sent to a host of somebody else.
func TestTokenHosts(t *testing.T) {
	var asked atomic.Bool
	realm := "https://tokens.elsewhere.example/"
	thief := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer thief.Close()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "https://")
	c := client(t)
	ref := Ref{Namespace: "default", Repository: "oci://" + host + "/charts", Chart: "shop", Version: "1.0.0", Credentials: &Credentials{Host: host, Username: "ada", Password: "planted"}}
	for _, realm = range []string{thief.URL, "https://tokens.elsewhere.example/", "http://" + host + "/token"} {
		_, err := c.Resolve(t.Context(), ref)
		require.Error(t, err, realm)
		require.NotContains(t, err.Error(), "planted")
	}
	require.False(t, asked.Load())
	for pair, want := range map[[2]string]bool{
		{"registry-1.docker.io", "auth.docker.io"}: true, {"registry.gitlab.com", "gitlab.com"}: true, {"a.example:5000", "a.example:5000"}: true,
		{"a.github.io", "b.github.io"}: false, {"a.example", "example.org"}: false, {"127.0.0.1:1", "127.0.0.1:2"}: false, {"co.uk", "x.co.uk"}: false,
	} {
		require.Equal(t, want, sameSite(pair[0], pair[1]), "%v", pair)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("https://charts.example/stable", "shop")
	f.Add("oci://registry.example:5000/x", "a/b")
	f.Add("file:///etc", "../x")
	f.Fuzz(func(t *testing.T, repository, chart string) {
		u, err := parse(Ref{Namespace: "default", Repository: repository, Chart: chart})
		if err == nil && (u.User != nil || u.Hostname() == "" || strings.Contains(chart, "..")) {
			t.Fatalf("%q %q was let through", repository, chart)
		}
	})
}
