// Package sops owns how files that SOPS encrypted for age keys are opened: YAML, JSON,
// dotenv and binary ones. It checks every file's authentication code and gives nothing
// of one that was changed. It never encrypts, knows no key service of a cloud, and runs
// no program; that is why it reads the format itself instead of linking SOPS, which
// brings all of them. Test files are made by SOPS.
//
// Start at Decrypt; tree.go has the form that all files are read into.
package sops

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"filippo.io/age"
)

// Limits of one file.
const (
	maxNodes = 100_000
	maxDepth = 100
)

// format reads and writes the trees of one kind of file.
type format struct {
	load func([]byte) ([]object, *metadata, error)
	emit func([]object) ([]byte, error)
}

func formatOf(file string) format {
	switch path.Ext(file) {
	case ".yaml", ".yml":
		return format{loadYAML, emitYAML}
	case ".json":
		return format{loadJSON, emitJSON}
	case ".env":
		return format{loadEnv, emitEnv}
	default:
		return format{loadJSON, emitBinary}
	}
}

// Encrypted says whether a file carries SOPS' metadata. What is merely similar to an
// encrypted file is not one.
func Encrypted(file string, data []byte) bool {
	if !bytes.Contains(data, []byte("sops")) || !bytes.Contains(data, []byte("mac")) {
		return false
	}
	switch path.Ext(file) {
	case ".yaml", ".yml", ".json", ".env":
	default:
		if t := bytes.TrimLeft(data, " \t\r\n"); len(t) == 0 || t[0] != '{' {
			return false
		}
	}
	_, meta, err := formatOf(file).load(data)
	return err == nil && meta != nil
}

// ParseIdentities reads age identities, one a line; what begins with "#" is a comment.
func ParseIdentities(text string) ([]age.Identity, error) {
	ids, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil {
		// The library's error can quote the line.
		return nil, errors.New("not a list of age identities (AGE-SECRET-KEY-1…), one a line")
	}
	return ids, nil
}

// Decrypt gives the plain file and the texts in it that were encrypted.
func Decrypt(file string, data []byte, identities []age.Identity) (plain []byte, secrets []string, err error) {
	f := formatOf(file)
	branches, meta, err := f.load(data)
	if err != nil {
		return nil, nil, err
	}
	if meta == nil {
		return nil, nil, errors.New("not encrypted with SOPS")
	}
	key, err := meta.dataKey(identities)
	if err != nil {
		return nil, nil, err
	}
	o := opener{key: key, meta: meta, sum: meta.newSum()}
	for _, b := range branches {
		if err := o.object(b, nil); err != nil {
			return nil, nil, err
		}
	}
	mac, err := o.value(meta.MAC, meta.modified)
	if err != nil {
		return nil, nil, fmt.Errorf("its authentication code does not open: %w", err)
	}
	if mac != fmt.Sprintf("%X", o.sum.Sum(nil)) {
		return nil, nil, errors.New("its authentication code does not match: it was changed after it was encrypted; encrypt it again with sops")
	}
	plain, err = f.emit(branches)
	return plain, o.secrets, err
}
