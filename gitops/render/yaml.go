package render

import (
	"bytes"
	"errors"
	"io"
	"math"

	"go.yaml.in/yaml/v3"
)

// Document is one YAML document of a file and the line it starts at.
type Document struct {
	File  string
	Line  int
	Value map[string]any
}

// Decode reads every document of one file. Empty documents are left out.
func Decode(file string, data []byte) ([]Document, error) {
	return (&converter{file: file}).documents(data)
}

// DecodeRendered reads what a template rendered to: as Helm does, of a key that is
// given twice the last one counts. Lines are those of the text, which nobody wrote.
func DecodeRendered(file string, data []byte) ([]Document, error) {
	return (&converter{file: file, lenient: true}).documents(data)
}

func (c *converter) documents(data []byte) ([]Document, error) {
	var docs []Document
	file := c.file
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, syntaxError(file, data, err)
		}
		root := &node
		if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
			root = root.Content[0]
		}
		if root.Kind == 0 || root.Tag == "!!null" {
			continue
		}
		if root.Kind != yaml.MappingNode && bytes.HasPrefix(data, []byte(lfsPointer)) {
			return nil, c.refuse(root, "this is a pointer of Git LFS, whose files are not fetched; commit the file itself")
		}
		if root.Kind != yaml.MappingNode {
			return nil, c.refuse(root, "a manifest must be a mapping with apiVersion and kind")
		}
		value, err := c.value(root, 0)
		if err != nil {
			return nil, err
		}
		object, ok := value.(map[string]any)
		if !ok || len(object) == 0 {
			continue
		}
		docs = append(docs, Document{file, root.Line, object})
		if len(docs) > maxObjects {
			return nil, c.refuse(root, "more than %d documents", maxObjects)
		}
	}
}

// lfsPointer is what a file begins with that Git LFS keeps elsewhere.
const lfsPointer = "version https://git-lfs.github.com/spec/"

// converter turns nodes into plain values and counts what aliases expand to, so
// that a few lines cannot become gigabytes.
type converter struct {
	file    string
	nodes   int
	lenient bool
}

// refuse at a node.
func (c *converter) refuse(n *yaml.Node, format string, args ...any) *Error {
	return Place{c.file, n.Line, n.Column}.Refuse(format, args...)
}

func (c *converter) value(n *yaml.Node, depth int) (any, error) {
	c.nodes++
	if c.nodes > maxNodes {
		return nil, c.refuse(n, "more than %d values once aliases are expanded", maxNodes)
	}
	if depth > maxDepth {
		return nil, c.refuse(n, "nested more than %d levels deep", maxDepth)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			v, err := c.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.ScalarNode:
		return c.scalar(n)
	default:
		return nil, c.refuse(n, "unexpected YAML")
	}
}

func (c *converter) mapping(n *yaml.Node, depth int) (any, error) {
	m := make(map[string]any, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, node := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, c.refuse(key, "a key must be a string")
		}
		if key.Tag == "!!merge" {
			merges = append(merges, node)
			continue
		}
		if _, twice := m[key.Value]; twice && !c.lenient {
			return nil, c.refuse(key, "key %q is given twice", key.Value)
		}
		v, err := c.value(node, depth+1)
		if err != nil {
			return nil, err
		}
		m[key.Value] = v
	}
	for _, node := range merges {
		v, err := c.value(node, depth+1)
		if err != nil {
			return nil, err
		}
		sources, ok := v.([]any)
		if !ok {
			sources = []any{v}
		}
		for _, source := range sources {
			from, ok := source.(map[string]any)
			if !ok {
				return nil, c.refuse(node, "<< must name a mapping")
			}
			for k, v := range from {
				if _, own := m[k]; !own {
					m[k] = v
				}
			}
		}
	}
	return m, nil
}

// scalar gives a string, bool, int64, float64 or nil: what JSON can say.
func (c *converter) scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!str", "!!timestamp":
		return n.Value, nil
	case "!!bool", "!!int", "!!float", "!!binary":
	default:
		return nil, c.refuse(n, "tag %s is not allowed", n.ShortTag())
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, syntaxError(c.file, nil, err)
	}
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case uint64:
		return nil, c.refuse(n, "number %s is too large", n.Value)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, c.refuse(n, "number %s cannot be written as JSON", n.Value)
		}
		return v, nil
	case bool, string, int64:
		return v, nil
	default:
		return nil, c.refuse(n, "value %q is not understood", n.Value)
	}
}
