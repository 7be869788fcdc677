package chart

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/gitops/render"
)

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
