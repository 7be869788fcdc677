package chart

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"slipway.dev/gitops/render"
)

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
