package clients

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway.dev/observability/logs"
)

// TestFluentNodeLogger has a client that is not ours prove a shared key and send in every
// mode of the forward protocol.
func TestFluentNodeLogger(t *testing.T) {
	s := serve(t)
	dir := t.TempDir()
	keys, cert, key := filepath.Join(dir, "keys"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(keys, []byte("default a-key-for-this-test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: b}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, l, err := logs.Input{Address: "127.0.0.1:0", KeysFile: keys, CertFile: cert, KeyFile: key}.Listen(s.store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	defer func() { cancel(); <-done }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	node(t, "fluent.mjs", port, "a-key-for-this-test", cert)
	s.store.Flush()
	for _, mode := range []string{"message", "forward", "packedforward", "compressedpackedforward"} {
		n := 0
		err := s.store.Select(t.Context(), logs.Selection{Namespaces: []string{"default"}, Text: `_index:="logs-node.` + mode + `-default" nested.a:*`}, func([]logs.Field) { n++ })
		if err != nil || n != 3 {
			t.Errorf("%s: %d lines, %v", mode, n, err)
		}
	}
}
