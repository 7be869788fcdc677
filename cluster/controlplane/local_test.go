package controlplane

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/pki"
)

// TestCertificateIsReadAgain has a renewed certificate used within a minute.
func TestCertificateIsReadAgain(t *testing.T) {
	files, err := pki.Ensure(t.TempDir(), pki.Options{NodeName: "n", NodeIP: net.ParseIP("192.0.2.1"), ServiceIP: net.ParseIP("10.43.0.1"), APIPort: 6443})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "client.crt")
		c := &certificate{file: file}
		_, err := c.get()
		require.ErrorIs(t, err, os.ErrNotExist)
		put := func(from string) {
			data, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, data, 0o600))
		}
		name := func() string {
			is, err := c.get()
			require.NoError(t, err)
			return is.Subject.CommonName
		}
		put(files.APIServerEtcdClient.Cert)
		first := name()
		put(files.APIServerKubeletClient.Cert)
		require.Equal(t, first, name())
		time.Sleep(rereadEvery)
		require.NotEqual(t, first, name())
		require.NoError(t, os.WriteFile(file, []byte("no certificate"), 0o600))
		time.Sleep(rereadEvery)
		_, err = c.get()
		require.ErrorContains(t, err, "no certificate")
	})
}
