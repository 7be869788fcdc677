package e2e

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCertificatesAreRenewed puts certificates that are about to end in the place of those
// of a running server: it signs new ones, and every port shows them without a restart.
func TestCertificatesAreRenewed(t *testing.T) {
	together(t)
	dir := filepath.Join(dataDir, "pki")
	block := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		p, _ := pem.Decode(b)
		if p == nil {
			t.Fatalf("%s is not PEM", name)
		}
		return p.Bytes
	}
	certificate := func(name string) *x509.Certificate {
		t.Helper()
		c, err := x509.ParseCertificate(block(name))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	signer := func(name string) crypto.Signer {
		t.Helper()
		k, err := x509.ParseECPrivateKey(block(name))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	replaced := map[string]*x509.Certificate{}
	for name, ca := range map[string]string{"front": "ca", "apiserver": "ca", "kubelet-serving": "ca", "etcd-server": "etcd-ca", "slipway": "ca", "kubelet": "ca"} {
		old := certificate(name + ".crt")
		soon := *old
		soon.NotAfter = time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, &soon, certificate(ca+".crt"), signer(name+".key").Public(), signer(ca+".key"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name+".crt")
		if err := os.WriteFile(file+".new", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
		replaced[name] = &soon
	}
	for name := range replaced {
		eventually(t, func() error {
			if end := certificate(name + ".crt").NotAfter; time.Until(end) < 300*24*time.Hour {
				return fmt.Errorf("%s ends on %s", name, end)
			}
			return nil
		})
	}
	client, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver-etcd-client.crt"), filepath.Join(dir, "apiserver-etcd-client.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, port := range map[string]string{"front": "8443", "apiserver": "6443", "kubelet-serving": "10250", "etcd-server": "2379"} {
		eventually(t, func() error {
			conf := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{client}} // it is compared with the file below
			c, err := tls.Dial("tcp", "127.0.0.1:"+port, conf)
			if err != nil {
				return err
			}
			defer c.Close()
			if shown := c.ConnectionState().PeerCertificates[0]; !shown.Equal(certificate(name + ".crt")) {
				return fmt.Errorf("port %s shows a certificate that ends on %s", port, shown.NotAfter)
			}
			return nil
		})
	}
	must(t, "kubectl", "get", "nodes")
	must(t, "status")
}
