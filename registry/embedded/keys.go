package embedded

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	issuer = "slipway"
	// serviceName is the audience of every token, and the one name of the registry.
	serviceName = "registry.slipway.internal"
)

// signer makes the short-lived tokens that the registry accepts. Its key never
// leaves the data directory; the registry reads the public half from jwksFile.
type signer struct {
	signer   jose.Signer
	ttl      time.Duration
	jwksFile string
	// uploadSecret signs the state of uploads, which must outlive a restart.
	uploadSecret string
}

// newSigner reads the key in dir, or makes it at first start.
func newSigner(dir string, ttl time.Duration) (*signer, error) {
	key, err := loadKey(filepath.Join(dir, "token.key"))
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(public)
	id := hex.EncodeToString(sum[:8])
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
		Key: &key.PublicKey, KeyID: id, Algorithm: string(jose.ES256), Use: "sig",
	}}})
	if err != nil {
		return nil, err
	}
	s := &signer{ttl: ttl, jwksFile: filepath.Join(dir, "token.jwks")}
	if err := writeFile(s.jwksFile, set); err != nil {
		return nil, err
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id)
	s.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		return nil, err
	}
	secret := sha256.Sum256(append([]byte("slipway registry uploads\x00"), der...))
	s.uploadSecret = hex.EncodeToString(secret[:])
	return s, nil
}

// sign makes a token for the subject that carries the access.
func (s *signer) sign(subject string, access []*token.ResourceActions) (string, time.Time, error) {
	now := time.Now()
	return s.signAt(now, subject, access)
}

func (s *signer) signAt(now time.Time, subject string, access []*token.ResourceActions) (string, time.Time, error) {
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return "", now, err
	}
	raw, err := jwt.Signed(s.signer).Claims(token.ClaimSet{
		Issuer:     issuer,
		Subject:    subject,
		Audience:   token.AudienceList{serviceName},
		Expiration: now.Add(s.ttl).Unix(),
		NotBefore:  now.Add(-time.Minute).Unix(),
		IssuedAt:   now.Unix(),
		JWTID:      hex.EncodeToString(id),
		Access:     access,
	}).Serialize()
	return raw, now, err
}

func loadKey(file string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(file)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("registry key %s: not PEM; remove the file and a new key is made at the next start", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("registry key %s: %w", file, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("registry key %s: not a P-256 key; remove the file and a new key is made at the next start", file)
	}
	return key, nil
}

func makeKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// writeFile replaces a file of mode 0600 atomically and durably.
func writeFile(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
