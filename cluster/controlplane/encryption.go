package controlplane

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"slipway.dev/cluster/atomicfile"
)

// encryptionYAML encrypts every object at rest with XSalsa20-Poly1305. What stays in
// clear are the keys: the kinds, namespaces and names of objects. The identity provider
// reads what was written before its kind was encrypted.
const encryptionYAML = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: ["*.*"]
  providers:
  - secretbox:
      keys:
      - name: key1
        secret: %s
  - identity: {}
`

// narrow is what the first servers encrypted; everything else they wrote in clear.
const narrow = `- resources: ["secrets", "configmaps", "*.slipway.dev", "*.tekton.dev"]`

// ensureEncryption makes the key at the first boot. Once etcd holds data a missing key
// is an error: a new one would make every stored secret unreadable.
func ensureEncryption(path, etcdDir string) error {
	have, err := os.ReadFile(path)
	if err == nil && bytes.Contains(have, []byte(narrow)) {
		return atomicfile.Write(path, bytes.Replace(have, []byte(narrow), []byte(`- resources: ["*.*"]`), 1), 0o600)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(filepath.Join(etcdDir, "member")); err == nil {
		return fmt.Errorf("%s is missing, and %s is encrypted with it; restore it from a backup, or start over with `slipway reset --data`", path, etcdDir)
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return atomicfile.Write(path, fmt.Appendf(nil, encryptionYAML, base64.StdEncoding.EncodeToString(key)), 0o600)
}
