package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"slices"
	"time"

	"slipway.dev/cluster/atomicfile"
)

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// ensureCA reads or makes an authority at base.crt and base.key. The key is written
// first: a certificate on disk means that the pair is complete.
func ensureCA(base, name string, now time.Time) (*authority, error) {
	crt, key := base+".crt", base+".key"
	cert, err := readCert(crt)
	if errors.Is(err, fs.ErrNotExist) {
		return newCA(crt, key, name, now)
	}
	if err != nil {
		return nil, err
	}
	signer, err := readKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w; restore it from a backup: a new authority would lock everyone out", err)
	}
	if !samePublic(cert.PublicKey, signer.Public()) {
		return nil, fmt.Errorf("%s does not belong to %s; restore both from one backup", key, crt)
	}
	if now.After(cert.NotAfter) {
		return nil, fmt.Errorf("%s ended on %s; restore or replace the authority by hand", crt, cert.NotAfter.Format(time.DateOnly))
	}
	return &authority{cert, signer}, nil
}

func newCA(crt, key, name string, now time.Time) (*authority, error) {
	signer, err := ensureKey(key)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: name},
		// A day back, so that a clock that is put right does not lock us out.
		NotBefore:             now.Add(-24 * time.Hour).UTC(),
		NotAfter:              now.Add(caValidity).UTC(),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, signer.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", crt, err)
	}
	if err := atomicfile.Write(crt, certPEM(der), 0o644); err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, signer}, err
}

// ensureLeaf keeps a certificate that is as it should be and signs a new one otherwise.
func ensureLeaf(ca *authority, l leaf, now time.Time, renewed func(file string)) error {
	names, addresses := split(l.hosts)
	usage := []x509.ExtKeyUsage{}
	if l.server {
		usage = append(usage, x509.ExtKeyUsageServerAuth)
	}
	if l.client {
		usage = append(usage, x509.ExtKeyUsageClientAuth)
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: l.name, Organization: l.groups},
		NotBefore:    ca.cert.NotBefore,
		NotAfter:     minTime(now.Add(leafValidity), ca.cert.NotAfter).UTC(),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  usage,
		DNSNames:     names,
		IPAddresses:  addresses,
	}
	signer, err := ensureKey(l.pair.Key)
	if err != nil {
		return err
	}
	if old, err := readCert(l.pair.Cert); err == nil && fits(old, tmpl, ca, signer, now) {
		return nil
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, signer.Public(), ca.key)
	if err != nil {
		return fmt.Errorf("sign %s: %w", l.pair.Cert, err)
	}
	if err := atomicfile.Write(l.pair.Cert, certPEM(der), 0o644); err != nil {
		return err
	}
	if renewed != nil {
		renewed(l.pair.Cert)
	}
	return nil
}

func fits(old, want *x509.Certificate, ca *authority, key crypto.Signer, now time.Time) bool {
	same := slices.EqualFunc(old.IPAddresses, want.IPAddresses, net.IP.Equal)
	return same && slices.Equal(old.DNSNames, want.DNSNames) &&
		slices.Equal(old.ExtKeyUsage, want.ExtKeyUsage) &&
		old.Subject.String() == want.Subject.String() &&
		samePublic(old.PublicKey, key.Public()) &&
		old.CheckSignatureFrom(ca.cert) == nil &&
		(now.Add(renewBefore).Before(old.NotAfter) || !old.NotAfter.Before(ca.cert.NotAfter))
}

// ensureKey reads or makes a private key.
func ensureKey(path string) (crypto.Signer, error) {
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return nil, err
	}
	return k, atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// ensureServiceAccountKey makes the key that signs service account tokens, and its
// public half, which can always be made again.
func ensureServiceAccountKey(key, pub string) error {
	if _, err := os.Stat(key); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(pub); err == nil {
			return fmt.Errorf("%s is missing but %s exists; restore it from a backup", key, pub)
		}
	}
	signer, err := ensureKey(key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return err
	}
	want := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if have, err := os.ReadFile(pub); err == nil && bytes.Equal(have, want) {
		return nil
	}
	return atomicfile.Write(pub, want, 0o644)
}

func readKey(path string) (crypto.Signer, error) { return readPEM(path, x509.ParseECPrivateKey) }

func readCert(path string) (*x509.Certificate, error) { return readPEM(path, x509.ParseCertificate) }

func readPEM[T any](path string, parse func(der []byte) (T, error)) (none T, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return none, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return none, fmt.Errorf("%s: not a PEM file; remove it or restore it from a backup", path)
	}
	v, err := parse(block.Bytes)
	if err != nil {
		return none, fmt.Errorf("%s: %w; restore it from a backup", path, err)
	}
	return v, nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(*ecdsa.PublicKey)
	return ok && k.Equal(b)
}

func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
