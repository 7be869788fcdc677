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
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
