package release

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// Seal gives a function that makes fingerprints which only this cluster can make, so
// that nobody tries values against them.
func (s *Store) Seal(ctx context.Context) (func([]byte) string, error) {
	key, err := s.Key(ctx)
	if err != nil {
		return nil, err
	}
	own := hmac.New(sha256.New, key)
	own.Write([]byte("fingerprints of configuration"))
	key = own.Sum(nil)
	return func(data []byte) string {
		mac := hmac.New(sha256.New, key)
		mac.Write(data)
		return hex.EncodeToString(mac.Sum(nil)[:16])
	}, nil
}
