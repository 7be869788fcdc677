package front

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func pairFor(t *testing.T, name string, names []string, addresses ...net.IP) Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), DNSNames: names, IPAddresses: addresses}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := Pair{filepath.Join(t.TempDir(), "crt"), filepath.Join(t.TempDir(), "key")}
	for file, block := range map[string]*pem.Block{p.Cert: {Type: "CERTIFICATE", Bytes: der}, p.Key: {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

type at struct {
	net.Conn
	address string
}

func (a at) LocalAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(a.address), Port: 8443}
}

func TestCertificates(t *testing.T) {
	node, other := net.ParseIP("192.0.2.1"), net.ParseIP("192.0.2.2")
	own := pairFor(t, "own", []string{"localhost", "registry.slipway.internal"}, node)
	named, addressed := pairFor(t, "named", []string{"slipway.example.org"}), pairFor(t, "addressed", []string{"localhost"}, node, other)
	for _, c := range []struct {
		given      Pair
		name, addr string
		want       string
	}{
		{Pair{}, "slipway.example.org", "192.0.2.1", "own"},
		{named, "slipway.example.org", "192.0.2.1", "named"},
		{named, "", "192.0.2.1", "own"}, // as jobs ask
		{named, "localhost", "127.0.0.1", "own"},
		{named, "unknown.example.org", "192.0.2.1", "named"},
		{named, "", "192.0.2.9", "named"},
		{addressed, "", "192.0.2.1", "addressed"},
		{addressed, "", "192.0.2.2", "addressed"},
		{addressed, "localhost", "127.0.0.1", "addressed"},
		{addressed, "registry.slipway.internal", "192.0.2.1", "own"},
	} {
		got, err := Certificates(own, c.given)(&tls.ClientHelloInfo{ServerName: c.name, Conn: at{address: c.addr}})
		if err != nil || got.Leaf.Subject.CommonName != c.want {
			t.Errorf("%q at %s: %v, want %s", c.name, c.addr, err, c.want)
		}
	}
	if _, err := Certificates(own, Pair{"/none", "/none"})(&tls.ClientHelloInfo{}); err == nil {
		t.Error("a given certificate that is not there is no error")
	}
}
