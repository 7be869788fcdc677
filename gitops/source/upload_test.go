package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// packed makes a gzipped tar file; a body "-> x" is a link to x.
func packed(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, h := range headers {
		body := h.Linkname
		if h.Typeflag == tar.TypeReg {
			h.Linkname, h.Size = "", int64(len(body))
		}
		h.Mode = 0o4777
		require.NoError(t, tw.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(tw, body)
			require.NoError(t, err)
		}
	}
	require.NoError(t, tw.Close())
	require.NoError(t, zw.Close())
	return b.Bytes()
}

func file(name, body string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: body}
}

func link2(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
}

func TestUnpackAWorkingCopy(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, Unpack(bytes.NewReader(packed(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "./deploy/"}, file("./deploy/a.yaml", "a"), file("lib/b.yaml", "b"), link2("deploy/b.yaml", "../lib/b.yaml"),
	)), dir))
	for name, want := range map[string]string{"deploy/a.yaml": "a", "deploy/b.yaml": "b"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	info, err := os.Stat(filepath.Join(dir, "lib/b.yaml"))
	require.NoError(t, err)
	require.Zero(t, info.Mode()&^fs.FileMode(0o644), "modes are ours")
}

// TestUnpackHostileArchives: threats 1, 2, 9 and 10.
func TestUnpackHostileArchives(t *testing.T) {
	zeros := func(n int) []byte {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		tw := tar.NewWriter(zw)
		require.NoError(t, tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zeros", Size: int64(n)}))
		_, _ = io.CopyN(tw, zeroes{}, int64(n))
		_ = tw.Close()
		_ = zw.Close()
		return b.Bytes()
	}
	var many []tar.Header
	for range maxUploadFiles + 1 {
		many = append(many, tar.Header{Typeflag: tar.TypeDir, Name: "d/"})
	}
	for name, tc := range map[string]struct {
		archive []byte
		want    string
	}{
		"no archive":                         {[]byte("hello"), "not a gzipped tar file"},
		"cut short":                          {packed(t, file("a", strings.Repeat("x", 10_000)))[:40], "archive"},
		"traversal":                          {packed(t, file("../outside", "x")), "no path within"},
		"traversal that comes back":          {packed(t, file("a/../../x/b", "x")), "no path within"},
		"traversal that stays":               {packed(t, file("a/../b", "x")), "no path within"},
		"absolute":                           {packed(t, file("/etc/passwd", "x")), "no path within"},
		"backslashes":                        {packed(t, file(`..\outside`, "x")), "no path within"},
		"a line break":                       {packed(t, file("a\nb", "x")), "no path within"},
		"a long name":                        {packed(t, file(strings.Repeat("a/", 3000)+"a", "x")), "no path within"},
		"a link out":                         {packed(t, link2("a", "../outside")), "leads out"},
		"a link out, from below":             {packed(t, link2("a/b", "../../outside")), "leads out"},
		"an absolute link":                   {packed(t, link2("a", "/etc/passwd")), "leads out"},
		"writing through a link":             {packed(t, link2("a", "b"), file("a", "x")), "exists"},
		"a chain of links out":               {packed(t, link2("d/up", ".."), link2("d/e", "up/.."), file("d/e/outside", "x")), "archive"},
		"a hard link":                        {packed(t, tar.Header{Typeflag: tar.TypeLink, Name: "a", Linkname: "/etc/passwd"}), "neither"},
		"a device":                           {packed(t, tar.Header{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}), "neither"},
		"a pipe":                             {packed(t, tar.Header{Typeflag: tar.TypeFifo, Name: "pipe"}), "neither"},
		"a file twice":                       {packed(t, file("a", "x"), file("a", "y")), "exists"},
		"a file that is a directory as well": {packed(t, file("a", "x"), file("a/b", "y")), "archive"},
		"a bomb of size":                     {zeros(maxUploadBytes + 1), "MiB unpacked"},
		"a bomb of number":                   {packed(t, many...), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			dir := filepath.Join(above, "x", "y")
			require.NoError(t, os.MkdirAll(dir, 0o755))
			err := Unpack(bytes.NewReader(tc.archive), dir)
			var refusal *render.Error
			require.ErrorAs(t, err, &refusal)
			require.ErrorContains(t, err, tc.want)
			nothingOutside(t, above)
		})
	}
}

// nothingOutside of x/y was written.
func nothingOutside(t testing.TB, above string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(above, func(p string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(above, p)
		if !strings.HasPrefix(rel, filepath.Join("x", "y")) && rel != "x" && rel != "." {
			t.Errorf("%s was written", rel)
		}
		return err
	}))
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func FuzzUnpack(f *testing.F) {
	f.Add(packed(f, file("deploy/a.yaml", "a"), link2("b", "deploy/a.yaml")))
	f.Add(packed(f, file("../a", "a")))
	f.Add(packed(f, link2("a", "."), file("a/b", "x")))
	f.Add([]byte("hello"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		above := t.TempDir()
		dir := filepath.Join(above, "x", "y")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		_ = Unpack(bytes.NewReader(archive), dir)
		nothingOutside(t, above)
	})
}

func TestAWorkingCopyIsRenderedAsItsApplicationSays(t *testing.T) {
	w := newWorld(t)
	app := &v1alpha1.Application{}
	app.Namespace, app.Name = "shop", "web"
	app.Spec.Source = v1alpha1.Source{Repository: "web", Path: "deploy"}
	archive := packed(t, file("deploy/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: local}\n"), file("other/b.yaml", "nonsense: ["))
	set, err := w.r.RenderTree(t.Context(), app, v1alpha1.Desired{}, func(dir string) error { return Unpack(bytes.NewReader(archive), dir) })
	require.NoError(t, err)
	require.Len(t, set.Objects, 1)
	require.Equal(t, "local", set.Objects[0].GetName())
	left, err := os.ReadDir(w.r.WorkDir)
	require.NoError(t, err)
	require.Empty(t, left, "nothing of it is kept")

	app.Spec.Source.Repository = ""
	_, err = w.r.RenderTree(t.Context(), app, v1alpha1.Desired{}, nil)
	require.ErrorContains(t, err, "has no repository")
}
