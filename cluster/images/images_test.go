package images

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/payload"
)

func fakePayload(t *testing.T, runner string) *payload.Payload {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"pause": "pause program", "coredns": "dns program", "runner": runner,
		"busybox": "shell", "busybox.applets": "[\nbusybox\nls\nsh\n../escape\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755))
	}
	p, err := payload.OpenDirectory(dir)
	require.NoError(t, err)
	return p
}

func members(t *testing.T, image v1.Image) map[string]*tar.Header {
	t.Helper()
	layers, err := image.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	r, err := layers[0].Uncompressed()
	require.NoError(t, err)
	defer r.Close()
	found := make(map[string]*tar.Header)
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		found[h.Name] = h
	}
}

func TestBuild(t *testing.T) {
	built, err := Build(fakePayload(t, "runner program"))
	require.NoError(t, err)
	require.Len(t, built, 4)
	for _, image := range built {
		layers, err := image.Layers()
		require.NoError(t, err)
		r, err := layers[0].Compressed()
		require.NoError(t, err)
		sum, size, err := v1.SHA256(r)
		require.NoError(t, err)
		manifest, err := image.Manifest()
		require.NoError(t, err)
		require.Equal(t, sum, manifest.Layers[0].Digest)
		require.Equal(t, size, manifest.Layers[0].Size)
		require.Regexp(t, `^registry\.slipway\.internal/system/`+image.Name+`:[0-9a-f]{16}$`, image.Reference)
	}
	runner := members(t, built[2])
	require.EqualValues(t, tar.TypeReg, runner["ko-app/entrypoint"].Typeflag)
	for _, name := range []string{"nop", "workingdirinit", "sidecarlogresults"} {
		require.Equal(t, "ko-app/entrypoint", runner["ko-app/"+name].Linkname)
	}
	toolbox := members(t, built[3])
	require.Equal(t, "busybox", toolbox["bin/sh"].Linkname)
	require.Contains(t, toolbox, "bin/[")
	require.EqualValues(t, 0o1777, toolbox["tmp/"].Mode)
	require.Contains(t, toolbox, "etc/passwd")
	require.Contains(t, toolbox, "etc/ssl/certs/")
	require.NotContains(t, toolbox, "bin/../escape")
}

func TestReferencesFollowContent(t *testing.T) {
	one, err := References(fakePayload(t, "first"))
	require.NoError(t, err)
	same, err := References(fakePayload(t, "first"))
	require.NoError(t, err)
	require.Equal(t, one, same)
	other, err := References(fakePayload(t, "second"))
	require.NoError(t, err)
	require.NotEqual(t, one[Runner], other[Runner])
	require.Equal(t, one[Pause], other[Pause])
	_, err = Reference(fakePayload(t, "first"), "nginx")
	require.ErrorContains(t, err, `"nginx": not known`)
}

func TestDigestsAreDeterministic(t *testing.T) {
	for _, name := range Names() {
		one, err := Build(fakePayload(t, "r"), name)
		require.NoError(t, err)
		other, err := Build(fakePayload(t, "r"), name)
		require.NoError(t, err)
		first, err := one[0].Digest()
		require.NoError(t, err)
		second, err := other[0].Digest()
		require.NoError(t, err)
		require.Equal(t, first, second)
	}
}
