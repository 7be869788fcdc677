package controlplane

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"slipway.dev/cluster/atomicfile"
)

// encryptionYAML encrypts at rest with XSalsa20-Poly1305: secrets, configuration, and
// the objects of Slipway and Tekton, which carry commit messages and log excerpts.
const encryptionYAML = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: ["secrets", "configmaps", "*.slipway.dev", "*.tekton.dev"]
  providers:
  - secretbox:
      keys:
      - name: key1
        secret: %s
  - identity: {}
`

// ensureEncryption makes the key at the first boot. Once etcd holds data a missing key
// is an error: a new one would make every stored secret unreadable.
func ensureEncryption(path, etcdDir string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(filepath.Join(etcdDir, "member")); err == nil {
		return fmt.Errorf("%s is missing, and %s is encrypted with it; restore it from a backup, or start over with `slipway reset --data`", path, etcdDir)
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return atomicfile.Write(path, fmt.Appendf(nil, encryptionYAML, base64.StdEncoding.EncodeToString(key)), 0o600)
}
