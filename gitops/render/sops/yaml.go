package sops

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// loadYAML reads every document. Aliases are refused: SOPS writes none.
func loadYAML(data []byte) ([]object, *metadata, error) {
	var branches []object
	r := yamlReader{}
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		n := &doc
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
			n = n.Content[0]
		}
		v, err := r.value(n, 0)
		if err != nil {
			return nil, nil, err
		}
		b, ok := v.(object)
		if !ok && v != nil {
			return nil, nil, fmt.Errorf("line %d: a document is not a mapping", n.Line)
		}
		branches = append(branches, b)
	}
	return take(branches)
}

type yamlReader struct{ nodes int }

func (r *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		return nil, fmt.Errorf("line %d: more than %d values, or nested more than %d levels deep", n.Line, maxNodes, maxDepth)
	}
	switch n.Kind {
	case yaml.MappingNode:
		b := object{}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || seen[key.Value] {
				return nil, fmt.Errorf("line %d: a key is given twice or is not a string", key.Line)
			}
			seen[key.Value] = true
			v, err := r.value(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			b = append(b, &pair{key.Value, v})
		}
		return b, nil
	case yaml.SequenceNode:
		l := &list{}
		for _, item := range n.Content {
			v, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, v)
		}
		return l, nil
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, err
		}
		return v, nil
	case 0:
		return nil, nil
	}
	return nil, fmt.Errorf("line %d: aliases are not supported in encrypted files", n.Line)
}

func emitYAML(branches []object) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	for _, branch := range branches {
		n, err := yamlNode(branch)
		if err != nil {
			return nil, err
		}
		if err := e.Encode(n); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), e.Close()
}

func yamlNode(v any) (*yaml.Node, error) {
	switch v := v.(type) {
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, p := range v {
			key, err := yamlNode(p.key)
			if err != nil {
				return nil, err
			}
			value, err := yamlNode(p.value)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, key, value)
		}
		return n, nil
	case *list:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v.items {
			child, err := yamlNode(item)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		return n, nil
	case comment:
		return yamlNode(string(v))
	case []byte:
		return yamlNode(string(v))
	}
	n := &yaml.Node{}
	return n, n.Encode(v)
}
