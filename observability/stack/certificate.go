package stack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"
)

const (
	authorityFor = 10 * 365 * 24 * time.Hour
	leafFor      = 365 * 24 * time.Hour
	renewBefore  = 60 * 24 * time.Hour
)

// Pair is a certificate and its key, in PEM; the key is PKCS #8, which Java reads as well.
type Pair struct{ Cert, Key []byte }

func newAuthority(now time.Time) (Pair, error) {
	return sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "slipway logs"}, NotAfter: now.Add(authorityFor), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}, Pair{}, now)
}

// newLeaf is a part's; it shows it to clients, and to other nodes of its own.
func newLeaf(part string, authority Pair, now time.Time) (Pair, error) {
	return sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: part}, NotAfter: now.Add(leafFor), DNSNames: hosts(part), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, authority, now)
}

// hosts are the names of a part; localhost is that of a forwarded port.
func hosts(part string) []string {
	names := []string{part, part + "." + namespace, Host(part), Host(part) + ".cluster.local", "localhost"}
	if part == Elasticsearch {
		names = append(names, "*."+Host(nodes), "*."+Host(nodes)+".cluster.local")
	}
	return names
}

// sign makes a certificate by an authority, or by itself where there is none.
func sign(c *x509.Certificate, by Pair, now time.Time) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126)); err != nil {
		return Pair{}, err
	}
	// A day back, as clocks differ.
	c.NotBefore = now.Add(-24 * time.Hour)
	parent, signer := c, crypto.PrivateKey(key)
	if by.Cert != nil {
		pair, err := tls.X509KeyPair(by.Cert, by.Key)
		if err != nil {
			return Pair{}, fmt.Errorf("authority of the log stack: %w", err)
		}
		parent, signer = pair.Leaf, pair.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}, nil
}

// good says whether a part's certificate is what newLeaf would make, for some time to come.
func (p Pair) good(part string, authority Pair, now time.Time) bool {
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil || !slices.Equal(pair.Leaf.DNSNames, hosts(part)) {
		return false
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority.Cert) {
		return false
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: Host(part), CurrentTime: now.Add(renewBefore)})
	return err == nil
}
