package sops

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}

func identities(t testing.TB, name string) []age.Identity {
	t.Helper()
	ids, err := ParseIdentities(string(read(t, name)))
	require.NoError(t, err)
	return ids
}

// What SOPS encrypted opens to what SOPS opens it to.
func TestDecryptWhatSOPSEncrypted(t *testing.T) {
	ids := identities(t, "age.key")
	for name, secrets := range map[string][]string{
		"secret.yaml":  {"planted-password", "5432", "0.25", "True", "2026-01-02T03:04:05Z", "one", "2", "line one\nline two\n", ""},
		"multi.yaml":   {"v1", "Secret", "first-secret", "second-secret", "a", "b"},
		"regex.yaml":   {"first-secret", "second-secret"},
		"maconly.yaml": {"first-secret", "second-secret"},
		"note.yaml":    {"planted-password"},
		"two.yaml":     {"first-secret"},
		"values.json":  {"planted-json", "12345678901234567", "ünïcode 😀"},
		"settings.env": {"planted-env", "one\ntwo"},
		"token.txt":    {"planted-binary\nsecond line é\n"},
	} {
		t.Run(name, func(t *testing.T) {
			data := read(t, name)
			require.True(t, Encrypted(name, data))
			require.False(t, Encrypted(name, read(t, name+".plain")))
			plain, found, err := Decrypt(name, data, ids)
			require.NoError(t, err)
			require.Equal(t, value(t, name, read(t, name+".plain")), value(t, name, plain))
			require.NotContains(t, string(plain), "ENC[")
			require.NotContains(t, string(plain), "age1")
			for _, s := range secrets {
				require.Contains(t, found, s)
			}
		})
	}
}

// value of a file, apart from how it is written.
func value(t *testing.T, name string, data []byte) any {
	t.Helper()
	switch filepath.Ext(name) {
	case ".yaml":
		var all []any
		d := yaml.NewDecoder(bytes.NewReader(data))
		for {
			var v any
			if d.Decode(&v) != nil {
				return all
			}
			all = append(all, v)
		}
	case ".json":
		var v any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		require.NoError(t, d.Decode(&v))
		return v
	case ".env":
		var lines []string
		for _, l := range strings.Split(string(data), "\n") {
			if !strings.HasPrefix(l, "#") {
				lines = append(lines, l)
			}
		}
		return lines
	}
	return string(data)
}

func TestRefusals(t *testing.T) {
	ids := identities(t, "age.key")
	swap := func(name, from, to string) []byte {
		data := string(read(t, name))
		require.Contains(t, data, from)
		return []byte(strings.Replace(data, from, to, 1))
	}
	password := line(t, "secret.yaml", "password:")
	for name, c := range map[string]struct {
		file, want string
		data       []byte
	}{
		"foreign key":         {"foreign.yaml", "none of the given age keys opens it; it is encrypted for age1", read(t, "foreign.yaml")},
		"key groups":          {"groups.yaml", "key groups", read(t, "groups.yaml")},
		"plain value changed": {"secret.yaml", "it was changed after", swap("secret.yaml", "name: planted", "name: other")},
		"value in plain":      {"secret.yaml", "stringData.password: should be encrypted and is not", swap("secret.yaml", password, "password: mine")},
		"value moved":         {"secret.yaml", "changed or moved", swap("secret.yaml", "password: ENC", "passwd: ENC")},
		"value removed":       {"secret.yaml", "it was changed after", swap("secret.yaml", password, "")},
		"value added":         {"regex.yaml", "it was changed after", swap("regex.yaml", "    name: a\n", "    name: a\n    added: more\n")},
		"documents swapped":   {"multi.yaml", "it was changed after", halves(t, "multi.yaml")},
		"mac of another":      {"maconly.yaml", "authentication code", swap("maconly.yaml", line(t, "maconly.yaml", "mac:"), line(t, "regex.yaml", "mac:"))},
		"no mac":              {"secret.yaml", "there is no mac", swap("secret.yaml", line(t, "secret.yaml", "mac:"), "")},
		"time changed":        {"secret.yaml", "authentication code does not open", swap("secret.yaml", "lastmodified: \"2026", "lastmodified: \"2025")},
		"two rules":           {"secret.yaml", "more than one rule", swap("secret.yaml", "    encrypted_regex:", "    encrypted_suffix: x\n    encrypted_regex:")},
		"bad pattern":         {"secret.yaml", "sops: ", swap("secret.yaml", "^(data|stringData)$", "((")},
		"alias":               {"secret.yaml", "aliases are not supported", swap("secret.yaml", "kind: Secret", "kind: &a Secret\nx: *a")},
		"unknown type":        {"token.txt", "unknown type", swap("token.txt", "type:str", "type:exec")},
		"not encrypted":       {"x.yaml", "not encrypted with SOPS", []byte("a: 1\n")},
		"env without =":       {"x.env", "line 1", []byte("hello")},
		"json twice":          {"x.json", "given twice", []byte(`{"a":1,"a":2}`)},
		"json list":           {"x.json", "is not a JSON object", []byte(`[]`)},
		"binary without data": {"token.txt", "changed or moved", swap("token.txt", `"data": "ENC`, `"dat": "ENC`)},
	} {
		t.Run(name, func(t *testing.T) {
			plain, found, err := Decrypt(c.file, c.data, ids)
			require.ErrorContains(t, err, c.want)
			require.Nil(t, plain)
			require.Nil(t, found)
			require.NotContains(t, err.Error(), "planted-password")
		})
	}
	_, err := ParseIdentities("AGE-SECRET-KEY-1PLANTED\n")
	require.ErrorContains(t, err, "not a list of age identities")
	require.NotContains(t, err.Error(), "PLANTED")
}

// line of a file that begins with a key, without its indentation.
func line(t testing.TB, file, key string) string {
	t.Helper()
	for _, l := range strings.Split(string(read(t, file)), "\n") {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, key) {
			return l
		}
	}
	t.Fatalf("%s has no %s", file, key)
	return ""
}

// halves of a file of two documents, swapped.
func halves(t testing.TB, file string) []byte {
	t.Helper()
	docs := strings.SplitN(string(read(t, file)), "\n---\n", 2)
	require.Len(t, docs, 2)
	require.Contains(t, docs[1], "sops:\n", "SOPS writes it into each")
	return []byte(docs[1] + "\n---\n" + docs[0])
}

func TestEncrypted(t *testing.T) {
	for name, text := range map[string]string{
		"a.yaml": "apiVersion: v1\nkind: ConfigMap\ndata: {note: 'sops mac'}\n", "b.yaml": "sops: [\nmac",
		"c.txt": "sops mac", "d.txt": `{"sops":{"mac":""}}`, "e.env": "SOPS=1\nmac=2\nsops=1\n", "f.json": `{"sops":1,"mac":2}`,
	} {
		require.False(t, Encrypted(name, []byte(text)), name)
	}
}

func FuzzDecrypt(f *testing.F) {
	ids := identities(f, "age.key")
	for _, name := range []string{"secret.yaml", "multi.yaml", "maconly.yaml", "values.json", "settings.env", "token.txt", "groups.yaml"} {
		f.Add(name, read(f, name))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		Encrypted(name, data)
		plain, _, err := Decrypt(name, data, ids)
		if err == nil && Encrypted(name, plain) {
			t.Fatal("opened to what is still encrypted")
		}
	})
}
