package sops

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// loadEnv reads lines KEY=value. The metadata is in lines whose keys begin with sops_,
// lists and mappings spelled out in the key.
func loadEnv(data []byte) ([]object, *metadata, error) {
	branch, flat := object{}, map[string]string{}
	for n, line := range strings.Split(string(data), "\n") {
		if n > maxNodes {
			return nil, nil, fmt.Errorf("more than %d lines", maxNodes)
		}
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, nil, fmt.Errorf("line %d: there is no \"=\"", n+1)
		}
		value = strings.ReplaceAll(value, `\n`, "\n")
		if name, ok := strings.CutPrefix(key, "sops_"); ok {
			flat[name] = value
			continue
		}
		branch = append(branch, &pair{key, value})
	}
	if len(flat) == 0 {
		return []object{branch}, nil, nil
	}
	tree := object{}
	for _, key := range []string{
		"lastmodified", "mac", "unencrypted_suffix", "encrypted_suffix", "unencrypted_regex", "encrypted_regex",
		"unencrypted_comment_regex", "encrypted_comment_regex",
	} {
		if v, ok := flat[key]; ok {
			tree = append(tree, &pair{key, v})
		}
	}
	if flat["mac_only_encrypted"] == "true" {
		tree = append(tree, &pair{"mac_only_encrypted", true})
	}
	keys := &list{}
	for i := range 100 {
		prefix := "age__list_" + strconv.Itoa(i) + "__map_"
		enc, ok := flat[prefix+"enc"]
		if !ok {
			break
		}
		keys.items = append(keys.items, object{{"recipient", flat[prefix+"recipient"]}, {"enc", enc}})
	}
	tree = append(tree, &pair{"age", keys})
	for key := range flat {
		if strings.HasPrefix(key, "key_groups") {
			tree = append(tree, &pair{"key_groups", &list{items: []any{object{}}}})
			break
		}
	}
	meta, err := readMetadata(tree)
	return []object{branch}, meta, err
}

func emitEnv(branches []object) ([]byte, error) {
	var b bytes.Buffer
	for _, p := range branches[0] {
		text, err := toBytes(p.value)
		if err != nil {
			return nil, errors.New("a value of an env file is not a string")
		}
		fmt.Fprintf(&b, "%s=%s\n", p.key, strings.ReplaceAll(string(text), "\n", `\n`))
	}
	return b.Bytes(), nil
}
