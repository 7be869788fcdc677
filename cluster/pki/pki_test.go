package pki

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

func options() Options {
	return Options{NodeName: "node-1", NodeIP: net.ParseIP("10.41.0.1"), ServiceIP: net.ParseIP("10.43.0.1"), Hosts: []string{"ship.example.org"}}
}

func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		out[e.Name()] = string(data)
	}
	return out
}

func TestEnsureIsIdempotent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	_, err := Ensure(dir, options())
	require.NoError(t, err)
	first := snapshot(t, dir)
	_, err = Ensure(dir, options())
	require.NoError(t, err)
	require.Equal(t, first, snapshot(t, dir))
}

func TestCertificatesVerify(t *testing.T) {
	f, err := Ensure(t.TempDir(), options())
	require.NoError(t, err)
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(f.CA)
	require.NoError(t, err)
	require.True(t, pool.AppendCertsFromPEM(ca))
	for _, c := range []struct {
		pair  Pair
		hosts []string
	}{
		{f.APIServer, []string{"10.43.0.1", "kubernetes.default.svc", "127.0.0.1", "10.41.0.1", "ship.example.org"}},
		{f.Front, []string{"localhost", "registry.slipway.internal", "10.41.0.1", "ship.example.org"}},
		{f.KubeletServing, []string{"10.41.0.1", "node-1"}},
	} {
		pair, err := tls.LoadX509KeyPair(c.pair.Cert, c.pair.Key)
		require.NoError(t, err)
		for _, h := range c.hosts {
			_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: h})
			require.NoError(t, err, "%s for %s", c.pair.Cert, h)
		}
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "evil.example.org"})
		require.Error(t, err)
	}
	etcd, err := tls.LoadX509KeyPair(f.EtcdServer.Cert, f.EtcdServer.Key)
	require.NoError(t, err)
	_, err = etcd.Leaf.Verify(x509.VerifyOptions{Roots: pool})
	require.Error(t, err, "the cluster's authority must not vouch for etcd")
}

// Threat 20: keys and kubeconfigs are for root only.
func TestKeysArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	_, err := Ensure(dir, options())
	require.NoError(t, err)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		if strings.HasSuffix(e.Name(), ".key") || strings.HasSuffix(e.Name(), ".kubeconfig") {
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), e.Name())
		}
	}
}

func TestRenewal(t *testing.T) {
	start := time.Now()
	cases := map[string]struct {
		change func(*Options)
		renews bool
	}{
		"nothing changed":   {func(*Options) {}, false},
		"half a year later": {func(o *Options) { o.Now = func() time.Time { return start.Add(180 * 24 * time.Hour) } }, false},
		"ten months later":  {func(o *Options) { o.Now = func() time.Time { return start.Add(300 * 24 * time.Hour) } }, true},
		"another address":   {func(o *Options) { o.NodeIP = net.ParseIP("192.0.2.7") }, true},
		"another host":      {func(o *Options) { o.Hosts = []string{"b.example.org"} }, true},
		"clock went back":   {func(o *Options) { o.Now = func() time.Time { return start.Add(-48 * time.Hour) } }, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, err := Ensure(dir, options())
			require.NoError(t, err)
			before := snapshot(t, dir)
			o := options()
			c.change(&o)
			_, err = Ensure(dir, o)
			require.NoError(t, err)
			after := snapshot(t, dir)
			require.Equal(t, c.renews, before["apiserver.crt"] != after["apiserver.crt"])
			require.Equal(t, before["apiserver.key"], after["apiserver.key"], "a renewal keeps the key")
			require.Equal(t, before["ca.crt"], after["ca.crt"])
			_, err = tls.LoadX509KeyPair(f.APIServer.Cert, f.APIServer.Key)
			require.NoError(t, err)
		})
	}
}

// Threat 21: a crash leaves any prefix of the writes; the next call completes them.
func TestCrashInTheMiddle(t *testing.T) {
	whole := t.TempDir()
	_, err := Ensure(whole, options())
	require.NoError(t, err)
	for name := range snapshot(t, whole) {
		if name == "ca.key" || name == "etcd-ca.key" || name == "front-proxy-ca.key" || name == "service-account.key" {
			continue
		}
		t.Run("without "+name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(filepath.Join(dir, "pki"), os.DirFS(whole)))
			require.NoError(t, os.Remove(filepath.Join(dir, "pki", name)))
			_, err := Ensure(filepath.Join(dir, "pki"), options())
			require.NoError(t, err)
			require.FileExists(t, filepath.Join(dir, "pki", name))
		})
	}
}

func TestLostAuthorityIsNotReplaced(t *testing.T) {
	for _, name := range []string{"ca.key", "etcd-ca.key", "service-account.key"} {
		dir := t.TempDir()
		_, err := Ensure(dir, options())
		require.NoError(t, err)
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
		_, err = Ensure(dir, options())
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "backup")
	}
}

func TestKubeconfigs(t *testing.T) {
	o := options()
	o.APIPort = 16443
	f, err := Ensure(t.TempDir(), o)
	require.NoError(t, err)
	for _, path := range []string{f.AdminKubeconfig, f.SlipwayKubeconfig, f.KubeletKubeconfig, f.KubeProxyKubeconfig, f.ControllerManagerKubeconfig, f.SchedulerKubeconfig} {
		c, err := clientcmd.BuildConfigFromFlags("", path)
		require.NoError(t, err)
		require.Equal(t, "https://127.0.0.1:16443", c.Host)
	}
	admin, err := os.ReadFile(f.AdminKubeconfig)
	require.NoError(t, err)
	require.False(t, bytes.Contains(admin, []byte(f.Dir)), "the administrator's kubeconfig stands alone")
}

// A server that runs for years: no certificate ever ends, and each pair always fits.
func TestMaintain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f, err := Ensure(dir, options())
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			maintain(ctx, dir, options(), 30*24*time.Hour, slog.New(slog.DiscardHandler))
		}()
		first := snapshot(t, dir)
		for range 40 {
			time.Sleep(30 * 24 * time.Hour)
			synctest.Wait()
			for _, l := range leaves(f, options()) {
				pair, err := tls.LoadX509KeyPair(l.pair.Cert, l.pair.Key)
				require.NoError(t, err)
				require.True(t, time.Now().Add(30*24*time.Hour).Before(pair.Leaf.NotAfter), "%s ends on %s, and it is %s", l.name, pair.Leaf.NotAfter, time.Now())
			}
			admin, err := clientcmd.BuildConfigFromFlags("", f.AdminKubeconfig)
			require.NoError(t, err)
			cert, err := os.ReadFile(f.admin.Cert)
			require.NoError(t, err)
			require.Equal(t, string(cert), string(admin.CertData), "the administrator's kubeconfig has a certificate of before")
		}
		for _, l := range leaves(f, options()) {
			name := filepath.Base(l.pair.Cert)
			require.NotEqual(t, first[name], snapshot(t, dir)[name], "%s was never renewed", name)
		}
		stop()
		<-done
	})
}
