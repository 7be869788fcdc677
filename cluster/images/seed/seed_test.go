package seed

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/payload"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o755))
}

func rootfs(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "./tmp/left", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "./dev/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./dev/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3},
		{Name: "./usr/bin/sh", Typeflag: tar.TypeReg, Mode: 0o755},
		{Name: "./usr/bin/bash", Typeflag: tar.TypeLink, Linkname: "./usr/bin/sh"},
		{Name: "./usr/share/man/sh.1", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "../outside", Typeflag: tar.TypeReg, Mode: 0o644},
	} {
		require.NoError(t, w.WriteHeader(h))
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestTrim(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, trim(&out, bytes.NewReader(rootfs(t))))
	var names []string
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.True(t, h.ModTime.Equal(epoch))
		if h.Typeflag == tar.TypeLink {
			require.Equal(t, "usr/bin/sh", h.Linkname)
		}
		names = append(names, h.Name)
	}
	require.Equal(t, []string{"tmp/", "dev/", "usr/bin/sh", "usr/bin/bash", "outside"}, names)
}

func TestMake(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"busybox": "shell", "busybox.applets": "ls\nsh\n"} {
		write(t, filepath.Join(dir, "payload", name), content)
	}
	write(t, filepath.Join(dir, "go", "bin", "go"), "go")
	write(t, filepath.Join(dir, "go", "test", "x.go"), "left out")
	write(t, filepath.Join(dir, "debian.tar"), string(rootfs(t)))
	p, err := payload.OpenDirectory(filepath.Join(dir, "payload"))
	require.NoError(t, err)
	from := Sources{
		Payload: p, Debian: filepath.Join(dir, "debian.tar"),
		GoRoot: filepath.Join(dir, "go"), GoCache: goCacheAt(t, "1795477826295359606"), GoVersion: "1.26.8",
	}
	var indexes [2][]byte
	for i := range indexes {
		require.NoError(t, Make(filepath.Join(dir, "seed"), from))
		indexes[i], err = os.ReadFile(filepath.Join(dir, "seed", "index.json"))
		require.NoError(t, err)
	}
	require.Equal(t, string(indexes[0]), string(indexes[1]), "equal input gives equal digests")

	names, err := Names(filepath.Join(dir, "seed"))
	require.NoError(t, err)
	require.Contains(t, names, "docker.io/library/busybox:latest")
	require.Contains(t, names, "docker.io/library/debian:bookworm-slim")
	require.Contains(t, names, "docker.io/library/golang:1.26")
	index, err := layout.ImageIndexFromPath(filepath.Join(dir, "seed"))
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	for _, m := range manifest.Manifests {
		image, err := index.Image(m.Digest)
		require.NoError(t, err)
		layers, err := image.Layers()
		require.NoError(t, err)
		config, err := image.ConfigFile()
		require.NoError(t, err)
		require.Len(t, config.RootFS.DiffIDs, len(layers))
		if m.Annotations[nameAnnotation] == "docker.io/library/golang:1.26" {
			require.Len(t, layers, 3)
			require.Contains(t, config.Config.Env, "GOCACHE=/go/cache")
		}
	}

	none, err := Names(filepath.Join(dir, "absent"))
	require.NoError(t, err)
	require.Empty(t, none)
}
