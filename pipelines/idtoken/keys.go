package idtoken

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"slipway.dev/cluster/atomicfile"
)

// A key is made, published for notice, signs for turn, and is published until the last
// token signed with it has ended.
const (
	keyBits = 2048
	notice  = 24 * time.Hour
	turn    = 30 * 24 * time.Hour
	// maxGood is the longest that a token is good: the longest timeout of a job, and more.
	maxGood = 35 * 24 * time.Hour
)

type key struct {
	// From is when it begins to sign.
	From time.Time       `json:"from"`
	JWK  jose.JSONWebKey `json:"jwk"`
}

// ring is the keys in the order in which they sign.
type ring []key

func newKey(from time.Time) (key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return key{}, err
	}
	k := jose.JSONWebKey{Key: private, Algorithm: string(jose.RS256), Use: "sig"}
	print, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return key{}, err
	}
	k.KeyID = base64.RawURLEncoding.EncodeToString(print)
	return key{From: from, JWK: k}, nil
}

// signing is the newest key whose time has come.
func (r ring) signing(now time.Time) jose.JSONWebKey {
	current := r[0]
	for _, k := range r[1:] {
		if !k.From.After(now) {
			current = k
		}
	}
	return current.JWK
}

func (r ring) public() jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range r {
		set.Keys = append(set.Keys, k.JWK.Public())
	}
	return set
}

// keys is the file that holds the ring.
type keys struct {
	file string

	mu   sync.Mutex
	ring ring
}

// at is the ring for that time: the next key is there before it signs, and those that
// no token needs are gone.
func (k *keys) at(now time.Time) (ring, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ring == nil {
		r, err := read(k.file)
		if err != nil {
			return nil, err
		}
		k.ring = r
	}
	next := slices.Clone(k.ring)
	if len(next) == 0 {
		first, err := newKey(now)
		if err != nil {
			return nil, err
		}
		next = append(next, first)
	}
	if last := next[len(next)-1]; now.After(last.From.Add(turn - notice)) {
		// After a long rest too the new key is published before it signs.
		more, err := newKey(latest(last.From.Add(turn), now.Add(notice)))
		if err != nil {
			return nil, err
		}
		next = append(next, more)
	}
	for len(next) > 1 && now.After(next[1].From.Add(maxGood)) {
		next = next[1:]
	}
	if len(next) == len(k.ring) && (len(next) == 0 || next[0].From.Equal(k.ring[0].From)) {
		return k.ring, nil
	}
	b, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(k.file, b, 0o600); err != nil {
		return nil, err
	}
	k.ring = next
	return next, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func read(file string) (ring, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r ring
	if err := json.Unmarshal(b, &r); err != nil || len(r) == 0 {
		return nil, fmt.Errorf("%s: not a list of keys (%w); restore it from a backup, or remove it: tokens signed before are then good no longer", file, err)
	}
	for _, k := range r {
		if !k.JWK.Valid() || k.JWK.IsPublic() {
			return nil, fmt.Errorf("%s: key %s cannot sign; restore the file from a backup, or remove it", file, k.JWK.KeyID)
		}
	}
	return r, nil
}
