package git

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/outside"
)

func TestBases(t *testing.T) {
	up := upstream(t)
	up.commit("w", "deploy/kustomization.yaml", "resources: []\n")
	up.git("w", "tag", "v1")
	up.git("w", "push", "-q", up.url("w"), "main", "v1")
	first := up.git("w", "rev-parse", "HEAD")
	up.commit("w", "deploy/kustomization.yaml", "resources: [x]\n")
	up.git("w", "push", "-q", up.url("w"), "main")

	b := &Bases{Host: newBench(t).host, Remote: Remote{Private: true}, Max: 1}
	base := func(url, revision string) (string, error) {
		dir := t.TempDir()
		err := b.Base(context.Background(), url, revision, dir)
		text, _ := os.ReadFile(filepath.Join(dir, "deploy", "kustomization.yaml"))
		return string(text), err
	}
	for _, revision := range []string{"v1", first} {
		text, err := base(up.open("w"), revision)
		require.NoError(t, err)
		require.Equal(t, "resources: []\n", text)
	}
	_, err := base(up.open("w"), "main")
	require.ErrorIs(t, err, ErrRevision)
	_, err = base(up.open("w"), "v2")
	require.ErrorIs(t, err, ErrNotFound)
	up.git("w", "tag", "v2")
	up.git("w", "push", "-q", up.url("w"), "v2")
	text, err := base(up.open("w"), "v2")
	require.NoError(t, err, "it is looked at again for what is not there yet")
	require.Equal(t, "resources: [x]\n", text)

	up.commit("other", "deploy/kustomization.yaml", "other\n")
	up.git("other", "tag", "v1")
	up.git("other", "push", "-q", up.url("other"), "main", "v1")
	_, err = base(up.open("other"), "v1")
	require.NoError(t, err)
	require.Len(t, b.Host.glob("bases/b*.git"), 1, "the one before is forgotten")

	b.Remote.Private = false
	for _, url := range []string{up.open("w"), "ext::sh -c x", "file:///etc", "https://u:planted@host.example/x"} {
		_, err = base(url, "v1")
		require.True(t, errors.Is(err, outside.ErrAddress) || errors.Is(err, ErrName), "%s: %v", url, err)
		require.NotContains(t, err.Error(), "planted")
	}
}
