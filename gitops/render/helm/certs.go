package helm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"
)

// certificates makes keys and certificates as the functions of the same names do, but
// the same ones each time: keys are made of the seed and stay, validity begins with the
// month of the commit, so that certificates renew as commits come, under the same keys.
type certificates struct {
	random io.Reader
	now    func() time.Time
}

// certificate is what templates read.
type certificate struct{ Cert, Key string }

// slack is added to the end of validity: the beginning is up to a month ago.
const slack = 31 * 24 * time.Hour

const maxDays = 365 * 100

func (c certificates) ca(cn string, days int) (certificate, error) {
	return c.make(cn, nil, nil, days, nil, "", true)
}

func (c certificates) caWithKey(cn string, days int, key string) (certificate, error) {
	return c.make(cn, nil, nil, days, nil, key, true)
}

func (c certificates) selfSigned(cn string, ips, dns []any, days int) (certificate, error) {
	return c.make(cn, ips, dns, days, nil, "", false)
}

func (c certificates) selfSignedWithKey(cn string, ips, dns []any, days int, key string) (certificate, error) {
	return c.make(cn, ips, dns, days, nil, key, false)
}

func (c certificates) signed(cn string, ips, dns []any, days int, ca certificate) (certificate, error) {
	return c.make(cn, ips, dns, days, &ca, "", false)
}

func (c certificates) signedWithKey(cn string, ips, dns []any, days int, ca certificate, key string) (certificate, error) {
	return c.make(cn, ips, dns, days, &ca, key, false)
}

// custom takes a pair that was made elsewhere.
func (c certificates) custom(cert, key string) (certificate, error) {
	rawCert, err := base64.StdEncoding.DecodeString(cert)
	if err != nil {
		return certificate{}, errors.New("buildCustomCert: the certificate is not base64")
	}
	rawKey, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return certificate{}, errors.New("buildCustomCert: the key is not base64")
	}
	pair := certificate{string(rawCert), string(rawKey)}
	if _, err := pair.parse(); err != nil {
		return certificate{}, fmt.Errorf("buildCustomCert: %w", err)
	}
	if _, err := parseKey(pair.Key); err != nil {
		return certificate{}, fmt.Errorf("buildCustomCert: %w", err)
	}
	return pair, nil
}

func (c certificates) make(cn string, ips, dns []any, days int, ca *certificate, keyPEM string, isCA bool) (certificate, error) {
	if days > maxDays || days < -maxDays {
		return certificate{}, fmt.Errorf("a certificate of %d days is not made", days)
	}
	key, keyPEM, err := c.keyOr(keyPEM)
	if err != nil {
		return certificate{}, err
	}
	serial := make([]byte, 16)
	_, _ = io.ReadFull(c.random, serial)
	serial[0] &= 0x7f
	begin := c.now()
	tmpl := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: cn},
		NotBefore: begin, NotAfter: begin.Add(slack + time.Duration(days)*24*time.Hour),
		KeyUsage:    x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: isCA,
	}
	if isCA {
		tmpl.KeyUsage |= x509.KeyUsageCertSign
	}
	if tmpl.IPAddresses, err = addresses(ips); err != nil {
		return certificate{}, err
	}
	for _, d := range dns {
		name, ok := d.(string)
		if !ok {
			return certificate{}, fmt.Errorf("%v is no name", d)
		}
		tmpl.DNSNames = append(tmpl.DNSNames, name)
	}
	parent, signer := tmpl, key
	if ca != nil {
		if parent, err = ca.parse(); err != nil {
			return certificate{}, err
		}
		if signer, err = parseKey(ca.Key); err != nil {
			return certificate{}, err
		}
	}
	der, err := x509.CreateCertificate(c.random, tmpl, parent, key.Public(), fixed{signer})
	if err != nil {
		return certificate{}, err
	}
	return certificate{encode("CERTIFICATE", der), keyPEM}, nil
}

// fixed signs without chance.
type fixed struct{ crypto.Signer }

func (f fixed) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return f.Signer.Sign(nil, digest, opts)
}

func addresses(ips []any) ([]net.IP, error) {
	var out []net.IP
	for _, v := range ips {
		text, _ := v.(string)
		ip := net.ParseIP(text)
		if ip == nil {
			return nil, fmt.Errorf("%v is no address", v)
		}
		out = append(out, ip)
	}
	return out, nil
}

func (c certificate) parse() (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(c.Cert))
	if block == nil {
		return nil, errors.New("this is no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// keyOr parses a key that is given, or makes one.
func (c certificates) keyOr(given string) (crypto.Signer, string, error) {
	if given != "" {
		key, err := parseKey(given)
		return key, given, err
	}
	key := c.ecdsa()
	text, err := encodeKey(key)
	return key, text, err
}

func parseKey(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("this is no private key in PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("this is no private key of a known form")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("this key cannot sign")
	}
	return signer, nil
}

// privateKey as genPrivateKey gives it: rsa, ecdsa or ed25519.
func (c certificates) privateKey(kind string) (string, error) {
	switch kind {
	case "", "rsa":
		return encodeKey(c.rsa(3072))
	case "ecdsa":
		return encodeKey(c.ecdsa())
	case "ed25519":
		seed := make([]byte, ed25519.SeedSize)
		_, _ = io.ReadFull(c.random, seed)
		return encodeKey(ed25519.NewKeyFromSeed(seed))
	}
	return "", fmt.Errorf("genPrivateKey: %q is not made; rsa, ecdsa and ed25519 are", kind)
}

// Go's own generators take no stream of ours any more.

func (c certificates) ecdsa() *ecdsa.PrivateKey {
	raw := make([]byte, 32)
	for {
		_, _ = io.ReadFull(c.random, raw)
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw); err == nil {
			return key
		}
	}
}

func (c certificates) rsa(bits int) *rsa.PrivateKey {
	e := big.NewInt(65537)
	one := big.NewInt(1)
	for {
		p, q := c.prime(bits/2), c.prime(bits/2)
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d == nil || n.BitLen() != bits || p.Cmp(q) == 0 {
			continue
		}
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}, D: d, Primes: []*big.Int{p, q}}
		key.Precompute()
		if key.Validate() == nil {
			return key
		}
	}
}

func (c certificates) prime(bits int) *big.Int {
	raw := make([]byte, bits/8)
	_, _ = io.ReadFull(c.random, raw)
	raw[0] |= 0xc0
	raw[len(raw)-1] |= 1
	p, two := new(big.Int).SetBytes(raw), big.NewInt(2)
	for !p.ProbablyPrime(20) {
		p.Add(p, two)
	}
	return p
}

func encodeKey(key crypto.Signer) (string, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(key)
		return encode("EC PRIVATE KEY", der), err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return encode("PRIVATE KEY", der), err
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
