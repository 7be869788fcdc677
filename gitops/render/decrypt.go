package render

import (
	"os"

	"filippo.io/age"

	"slipway.dev/gitops/render/sops"
)

// maxPlainBytes of all files that one child decrypts.
const maxPlainBytes = 8 << 20

// Decryption is the job of a child that has keys, and runs no template.
type Decryption struct {
	// Keys are texts with age identities.
	Keys []string `json:"keys"`
	// Files of the tree.
	Files []string `json:"files"`
	// Secret that the keys are from, for messages.
	Secret string `json:"secret"`
}

// Plain is one decrypted file.
type Plain struct {
	File string `json:"file"`
	Data []byte `json:"data"`
	// Secrets are the values that were encrypted.
	Secrets []string `json:"secrets"`
}

// Decrypt does the work. It belongs in the child: call Runner.Decrypt instead.
func Decrypt(root *os.Root, d Decryption) ([]Plain, error) {
	var ids []age.Identity
	for _, text := range d.Keys {
		more, err := sops.ParseIdentities(text)
		if err != nil {
			return nil, refuse("", 0, "secret %s: %v", d.Secret, err)
		}
		ids = append(ids, more...)
	}
	if len(ids) == 0 {
		return nil, refuse("", 0, "secret %s holds no age identity (AGE-SECRET-KEY-1…)", d.Secret)
	}
	t := &Tree{root: root}
	var out []Plain
	total := 0
	for _, file := range d.Files {
		data, err := t.load(name(file), maxFileBytes)
		if err != nil {
			return nil, err
		}
		plain, secrets, err := sops.Decrypt(file, data, ids)
		if err != nil {
			return nil, refuse(file, 0, "SOPS: %v", err)
		}
		if total += len(plain); total > maxPlainBytes {
			return nil, refuse(file, 0, "more than %d MiB are encrypted", maxPlainBytes>>20)
		}
		out = append(out, Plain{File: file, Data: plain, Secrets: secrets})
	}
	return out, nil
}
