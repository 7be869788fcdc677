package controlplane

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/pki"
)

func TestDataDirectoryIsLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	require.NoError(t, os.Mkdir(dir, 0o700))
	release, err := lock(dir)
	require.NoError(t, err)
	_, err = lock(dir)
	require.ErrorContains(t, err, "in use by another server")
	release()
	release, err = lock(dir)
	require.NoError(t, err)
	release()
}

func TestEncryptionKeyIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "encryption.yaml")
	require.NoError(t, ensureEncryption(path, dir))
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, ensureEncryption(path, dir))
	second, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(first), `- resources: ["*.*"]`, narrow, 1)), 0o600))
	require.NoError(t, ensureEncryption(path, dir), "of a server that encrypted less")
	second, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, first, second)

	require.NoError(t, os.Mkdir(filepath.Join(dir, "member"), 0o700))
	require.NoError(t, os.Remove(path))
	require.ErrorContains(t, ensureEncryption(path, dir), "backup")
}

func TestConfig(t *testing.T) {
	good := Config{DataDir: "/d", PKI: &pki.Files{}, NodeIP: net.ParseIP("192.0.2.1"), FeatureGates: map[string]bool{"B": false, "A": true}}
	c, err := good.complete()
	require.NoError(t, err)
	require.Equal(t, "A=true,B=false", c.gates())
	require.Equal(t, 6443, c.APIPort)
	bad := good
	bad.NodeIP = net.ParseIP("127.0.0.1")
	_, err = bad.complete()
	require.ErrorContains(t, err, "interface")
	bad = good
	bad.ServiceCIDR = "10.43.0.0"
	_, err = bad.complete()
	require.ErrorContains(t, err, "10.43.0.0")
}
