package release

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// Sets keeps bytes under a repository and a tag; the registry's artifacts satisfy
// it. Put of what is there already changes nothing.
type Sets interface {
	Put(ctx context.Context, repository, tag, mediaType string, r io.Reader) (digest string, size int64, err error)
	Get(ctx context.Context, repository, tag string) (io.ReadCloser, error)
	// Delete what is not there is artifacts.ErrNotFound.
	Delete(ctx context.Context, repository, tag string) error
}

// Media types of a stored set: gzip of its canonical JSON, sealed if it holds the
// data of a Secret.
const (
	mediaType       = "application/vnd.slipway.release.set.v1+json+gzip"
	mediaTypeSealed = "application/vnd.slipway.release.set.v1+json+gzip+aes256gcm"
)

const (
	keySecret  = "release-set-key"
	maxPacked  = 64 << 20
	sealedMark = "SLPS1"
	maxHidden  = 5000 // values of one application that masks hide
)

// Store keeps rendered sets by their digest.
type Store struct {
	Sets   Sets
	Client client.Client
	// Reader reads uncached.
	Reader client.Reader

	mu  sync.Mutex
	raw []byte
	key cipher.AEAD
	// hidden values of the sets that were rendered or read, by namespace and application.
	hidden map[string]map[string][]string
}

func place(namespace, application string) string { return namespace + "/" + application + "/releases" }

func tag(digest string) string { return strings.ReplaceAll(digest, ":", "-") }

// Put stores a set. One with the data of a Secret is encrypted with the cluster key.
func (s *Store) Put(ctx context.Context, namespace, application string, set *render.Set) error {
	text, err := set.Stored()
	if err != nil {
		return err
	}
	data, err := pack(text)
	if err != nil {
		return err
	}
	kind := mediaType
	if set.Secret() {
		aead, err := s.cipher(ctx)
		if err != nil {
			return err
		}
		nonce := make([]byte, aead.NonceSize())
		if _, err := rand.Read(nonce); err != nil {
			return err
		}
		data = append([]byte(sealedMark), aead.Seal(nonce, nonce, data, []byte(set.Digest()))...)
		kind = mediaTypeSealed
	}
	if _, _, err := s.Sets.Put(ctx, place(namespace, application), tag(set.Digest()), kind, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("set %s of application %s: %w", set.Digest(), application, err)
	}
	return nil
}

// Get reads a set and verifies its digest.
func (s *Store) Get(ctx context.Context, namespace, application, digest string) (*render.Set, error) {
	r, err := s.Sets.Get(ctx, place(namespace, application), tag(digest))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxPacked))
	if err != nil {
		return nil, err
	}
	if sealed, ok := bytes.CutPrefix(data, []byte(sealedMark)); ok {
		aead, err := s.cipher(ctx)
		if err != nil {
			return nil, err
		}
		if len(sealed) < aead.NonceSize() {
			return nil, errors.New("sealed set is cut short")
		}
		nonce, text := sealed[:aead.NonceSize()], sealed[aead.NonceSize():]
		if data, err = aead.Open(nil, nonce, text, []byte(digest)); err != nil {
			return nil, fmt.Errorf("sealed set %s does not open with this cluster's key: %w", digest, err)
		}
	}
	set, err := unpack(data, digest)
	if err == nil {
		s.hide(namespace, application, set)
	}
	return set, err
}

// hide remembers what a set has that must not be shown.
func (s *Store) hide(namespace, application string, set *render.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(set.Hidden) == 0 {
		return
	}
	if s.hidden == nil {
		s.hidden = map[string]map[string][]string{}
	}
	if s.hidden[namespace] == nil {
		s.hidden[namespace] = map[string][]string{}
	}
	// Values of sets before are still in what is compared with this one.
	all := slices.Concat(set.Hidden, s.hidden[namespace][application])
	slices.Sort(all)
	all = slices.Compact(all)
	s.hidden[namespace][application] = all[:min(len(all), maxHidden)]
}

// hiding gives what is hidden in a namespace, in the form that masks take.
func (s *Store) hiding(namespace string) []corev1.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []corev1.Secret
	for _, values := range s.hidden[namespace] {
		secret := corev1.Secret{Data: map[string][]byte{}}
		for i, v := range values {
			secret.Data[strconv.Itoa(i)] = []byte(v)
		}
		out = append(out, secret)
	}
	return out
}

// Key is the cluster key, of which other secrets are derived. It is made once.
func (s *Store) Key(ctx context.Context) ([]byte, error) {
	if _, err := s.cipher(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw, nil
}

// cipher reads the cluster key, or makes it once.
func (s *Store) cipher(ctx context.Context) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	name := types.NamespacedName{Namespace: v1alpha1.SystemNamespace, Name: keySecret}
	secret := &corev1.Secret{}
	err := s.Reader.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
		secret = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
			Data:       map[string][]byte{"key": key},
		}
		if err = s.Client.Create(ctx, secret); apierrors.IsAlreadyExists(err) {
			err = s.Reader.Get(ctx, name, secret)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key of release sets: %w", err)
	}
	block, err := aes.NewCipher(secret.Data["key"])
	if err != nil {
		return nil, fmt.Errorf("key of release sets: %w", err)
	}
	s.raw = secret.Data["key"]
	s.key, err = cipher.NewGCM(block)
	return s.key, err
}

// packers are reused: one is most of a megabyte, and a set a few kilobytes.
var packers = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

func pack(data []byte) ([]byte, error) {
	var b bytes.Buffer
	zw := packers.Get().(*gzip.Writer)
	defer packers.Put(zw)
	zw.Reset(&b)
	if _, err := zw.Write(data); err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func unpack(data []byte, digest string) (*render.Set, error) {
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", digest, err)
	}
	text, err := io.ReadAll(io.LimitReader(zr, maxPacked))
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", digest, err)
	}
	set, err := render.ParseStored(text)
	if err != nil {
		return nil, err
	}
	if set.Digest() != digest {
		return nil, fmt.Errorf("set %s was changed: its digest is %s", digest, set.Digest())
	}
	return set, nil
}
