package sops

import (
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// metadata is what SOPS writes into a file: who can open it, and what was encrypted.
type metadata struct {
	Age               []ageKey          `json:"age"`
	KeyGroups         []json.RawMessage `json:"key_groups"`
	LastModified      string            `json:"lastmodified"`
	MAC               string            `json:"mac"`
	UnencryptedSuffix string            `json:"unencrypted_suffix"`
	EncryptedSuffix   string            `json:"encrypted_suffix"`
	UnencryptedRegex  string            `json:"unencrypted_regex"`
	EncryptedRegex    string            `json:"encrypted_regex"`
	UnencryptedNote   string            `json:"unencrypted_comment_regex"`
	EncryptedNote     string            `json:"encrypted_comment_regex"`
	MACOnlyEncrypted  bool              `json:"mac_only_encrypted"`

	modified                    string
	plainPattern, secretPattern *regexp.Regexp
}

type ageKey struct {
	Recipient string `json:"recipient"`
	Key       string `json:"enc"`
}

// readMetadata of the mapping below "sops".
func readMetadata(tree object) (*metadata, error) {
	text, err := json.Marshal(plainValue(tree))
	if err != nil {
		return nil, fmt.Errorf("sops: %w", err)
	}
	m := &metadata{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("sops: %w", err)
	}
	if m.MAC == "" {
		return nil, errors.New("sops: there is no mac")
	}
	at, err := time.Parse(time.RFC3339, m.LastModified)
	if err != nil {
		return nil, errors.New("sops: lastmodified is not a time")
	}
	m.modified = at.Format(time.RFC3339)
	rules := 0
	for _, r := range []string{m.UnencryptedSuffix, m.EncryptedSuffix, m.UnencryptedRegex, m.EncryptedRegex, m.UnencryptedNote, m.EncryptedNote} {
		if r != "" {
			rules++
		}
	}
	switch {
	case rules > 1:
		return nil, errors.New("sops: more than one rule says what is encrypted")
	case rules == 0:
		m.UnencryptedSuffix = "_unencrypted"
	}
	for _, r := range []struct {
		text string
		to   **regexp.Regexp
	}{{m.UnencryptedRegex, &m.plainPattern}, {m.EncryptedRegex, &m.secretPattern}} {
		if r.text == "" {
			continue
		}
		if *r.to, err = regexp.Compile(r.text); err != nil {
			return nil, fmt.Errorf("sops: %w", err)
		}
	}
	return m, nil
}

// encrypted says whether the value at a path is. Where comments decide, which are not
// kept here, its own form does: the authentication code has the last word anyway.
func (m *metadata) encrypted(at []string, looks bool) bool {
	any := func(is func(string) bool) bool {
		for _, p := range at {
			if is(p) {
				return true
			}
		}
		return false
	}
	switch {
	case m.UnencryptedSuffix != "":
		return !any(func(p string) bool { return strings.HasSuffix(p, m.UnencryptedSuffix) })
	case m.EncryptedSuffix != "":
		return any(func(p string) bool { return strings.HasSuffix(p, m.EncryptedSuffix) })
	case m.plainPattern != nil:
		return !any(m.plainPattern.MatchString)
	case m.secretPattern != nil:
		return any(m.secretPattern.MatchString)
	}
	return looks
}

// newSum of the authentication code; one over encrypted values only begins otherwise.
func (m *metadata) newSum() hash.Hash {
	h := sha512.New()
	if m.MACOnlyEncrypted {
		h.Write([]byte{
			0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0xb,
			0xb, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
		})
	}
	return h
}

// dataKey opens the file's key with one of the identities.
func (m *metadata) dataKey(identities []age.Identity) ([]byte, error) {
	if len(m.KeyGroups) > 0 {
		return nil, errors.New("its key is split among key groups (Shamir), which is not supported; encrypt it for one group")
	}
	if len(m.Age) == 0 {
		return nil, errors.New("it is not encrypted for an age key; only age is supported")
	}
	if len(m.Age) > 100 {
		return nil, errors.New("it is encrypted for more than 100 age keys")
	}
	for _, k := range m.Age {
		r, err := age.Decrypt(armor.NewReader(strings.NewReader(k.Key)), identities...)
		if err != nil {
			continue
		}
		key, err := io.ReadAll(io.LimitReader(r, 64))
		if err == nil && len(key) == 32 {
			return key, nil
		}
	}
	known := make([]string, len(m.Age))
	for i, k := range m.Age {
		known[i] = fmt.Sprintf("%.80s", k.Recipient)
	}
	return nil, fmt.Errorf("none of the given age keys opens it; it is encrypted for %s", strings.Join(known, ", "))
}

// plainValue turns a tree into what encoding/json writes.
func plainValue(v any) any {
	switch v := v.(type) {
	case object:
		m := make(map[string]any, len(v))
		for _, p := range v {
			m[p.key] = plainValue(p.value)
		}
		return m
	case *list:
		out := make([]any, len(v.items))
		for i, item := range v.items {
			out[i] = plainValue(item)
		}
		return out
	}
	return v
}

// take removes the mapping "sops" from the first document, and what has its name from
// the others, as SOPS writes it into each.
func take(branches []object) ([]object, *metadata, error) {
	var meta *metadata
	for i, b := range branches {
		kept := object{}
		for _, p := range b {
			if p.key != "sops" {
				kept = append(kept, p)
				continue
			}
			tree, ok := p.value.(object)
			if i > 0 || !ok {
				continue
			}
			var err error
			if meta, err = readMetadata(tree); err != nil {
				return nil, nil, err
			}
		}
		branches[i] = kept
	}
	return branches, meta, nil
}
