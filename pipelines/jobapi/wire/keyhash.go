package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// NoKeyFiles is the hash where none of the files that make a cache's key is there.
const NoKeyFiles = "default"

// KeyHash of the files that make the key of a cache, the same for those of a commit and
// those of a checkout. Files are added in the order of a walk.
type KeyHash struct {
	hash hash.Hash
}

// Add a regular file, whose content is written to what it returns.
func (k *KeyHash) Add(name string, size int64) io.Writer {
	if k.hash == nil {
		k.hash = sha256.New()
	}
	fmt.Fprintf(k.hash, "%s\x00%d\x00", name, size)
	return k.hash
}

// Sum of what was added.
func (k *KeyHash) Sum() string {
	if k.hash == nil {
		return NoKeyFiles
	}
	return hex.EncodeToString(k.hash.Sum(nil))
}
