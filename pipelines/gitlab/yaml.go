package gitlab

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. What aliases and templates expand to is limited where it is used.
const (
	maxBytes      = 1 << 20
	maxDepth      = 50
	maxProperties = 2000 // anchors and tags
)

// read the bytes into a value; nil where there is none or a problem was added.
func read(content []byte, p *problems) (root *value) {
	if len(content) > maxBytes {
		p.add(place{}, ruleLimit, "split the work over several repositories, or move long scripts into files",
			"the file has %d bytes; at most %d are read", len(content), maxBytes)
		return nil
	}
	defer func() {
		// The parser is not ours and its input is anybody's.
		if r := recover(); r != nil {
			p.add(place{1, 1}, ruleSyntax, "", "the file is not readable as YAML")
			root = nil
		}
	}()
	text := strings.TrimPrefix(string(content), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	tokens := lexer.Tokenize(text)
	if at, why := tooDeep(tokens); why != "" {
		p.add(at, ruleLimit, "", "%s", why)
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		addSyntax(err, p)
		return nil
	}
	b := builder{problems: p, anchors: map[string]*value{}}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			p.add(position(doc.Body.GetToken()), ruleUnsupported, notYet, "a second YAML document (`spec` header)")
			return nil
		}
		root = b.build(doc.Body)
	}
	return root
}

func addSyntax(err error, p *problems) {
	var e yaml.Error
	if !errors.As(err, &e) {
		p.add(place{1, 1}, ruleSyntax, "", "%s", err)
		return
	}
	hint := ""
	if strings.Contains(e.GetMessage(), "\t") || strings.Contains(e.GetMessage(), "tab") {
		hint = "indent with spaces"
	}
	p.add(position(e.GetToken()), ruleSyntax, hint, "%s", strings.ReplaceAll(e.GetMessage(), "\t", `\t`))
}

func position(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{max(1, t.Position.Line), max(1, t.Position.Column)}
}

// tooDeep looks at the tokens, before a recursive parser does, for nesting that
// would take its stack.
func tooDeep(tokens token.Tokens) (place, string) {
	flow, properties := 0, 0
	var columns []int
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(0, flow-1)
		case token.AnchorType, token.TagType, token.AliasType:
			if properties++; properties > maxProperties {
				return position(t), fmt.Sprintf("more than %d anchors, aliases and tags", maxProperties)
			}
		case token.SequenceEntryType, token.MappingValueType, token.MappingKeyType:
			if flow > 0 {
				break
			}
			column := t.Position.Column
			if t.Type == token.MappingValueType && t.Prev != nil {
				column = t.Prev.Position.Column
			}
			for len(columns) > 0 && columns[len(columns)-1] >= column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, column)
		}
		if flow+len(columns) > maxDepth {
			return position(t), fmt.Sprintf("nested more than %d deep", maxDepth)
		}
	}
	return place{}, ""
}

type builder struct {
	*problems
	anchors map[string]*value
}

func (b *builder) build(n ast.Node) *value {
	if n == nil {
		return &value{place: place{1, 1}}
	}
	at := position(n.GetToken())
	switch n := n.(type) {
	case *ast.NullNode:
		return &value{place: at}
	case *ast.BoolNode:
		return &value{kind: kindBool, text: n.Token.Value, place: at}
	case *ast.IntegerNode:
		return &value{kind: kindNumber, text: n.Token.Value, place: at}
	case *ast.FloatNode:
		return &value{kind: kindNumber, text: n.Token.Value, place: at}
	case *ast.InfinityNode:
		return &value{kind: kindNumber, text: n.Token.Value, place: at}
	case *ast.NanNode:
		return &value{kind: kindNumber, text: n.Token.Value, place: at}
	case *ast.StringNode:
		return &value{kind: kindString, text: n.Value, place: at}
	case *ast.LiteralNode:
		return &value{kind: kindString, text: n.Value.Value, place: at}
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			at = position(n.Values[0].Key.GetToken())
		}
		return b.mapping(n.Values, at)
	case *ast.MappingKeyNode:
		return b.build(n.Value)
	case *ast.MappingValueNode:
		return b.mapping([]*ast.MappingValueNode{n}, position(n.Key.GetToken()))
	case *ast.SequenceNode:
		v := &value{kind: kindList, place: at}
		for _, item := range n.Values {
			v.items = append(v.items, b.build(item))
		}
		return v
	case *ast.AnchorNode:
		v := b.build(n.Value)
		b.anchors[n.Name.GetToken().Value] = v
		return v
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if v, ok := b.anchors[name]; ok {
			return v
		}
		known := make([]string, 0, len(b.anchors))
		for k := range b.anchors {
			known = append(known, k)
		}
		b.add(at, ruleSyntax, didYouMean(name, known), "alias *%s: no anchor of that name before it", name)
		return &value{place: at}
	case *ast.TagNode:
		return b.tagged(n, at)
	}
	b.add(at, ruleSyntax, "", "%s is not expected here", strings.ToLower(n.Type().String()))
	return &value{place: at}
}

func (b *builder) tagged(n *ast.TagNode, at place) *value {
	v := b.build(n.Value)
	switch tag := n.Start.Value; tag {
	case "!reference":
		return &value{kind: kindReference, items: v.items, place: at}
	case "!!str":
		c := *v
		c.kind = kindString
		return &c
	case "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		return v
	default:
		b.add(at, ruleUnsupported, "remove the tag", "the YAML tag %s", tag)
		return v
	}
}

// mapping reads the keys. Own keys win over merged ones, and of several merged
// mappings the first wins.
func (b *builder) mapping(values []*ast.MappingValueNode, at place) *value {
	v := &value{kind: kindMap, place: at}
	var merges []*value
	for _, pair := range values {
		if pair.Key.IsMergeKey() {
			from := b.build(pair.Value)
			list := []*value{from}
			if from.kind == kindList {
				list = from.items
			}
			for _, m := range list {
				if m.kind != kindMap && m.kind != kindNull {
					b.add(position(pair.Key.GetToken()), ruleType, "", "<< merges mappings, and this is %s", m.kind)
					continue
				}
				merges = append(merges, m)
			}
			continue
		}
		key := b.build(pair.Key)
		if !key.scalar() {
			b.add(key.place, ruleType, "", "a key is a word, and this is %s", key.kind)
			continue
		}
		if i, ok := v.index[key.text]; ok {
			b.add(key.place, ruleDuplicate, "keep one of the two", "%q is there twice; first in line %d", key.text, v.keys[i].at.line)
		}
		val := b.build(pair.Value)
		if pair.Value == nil {
			val.place = key.place
		}
		v.put(entry{name: key.text, at: key.place, val: val})
	}
	for _, m := range merges {
		for _, e := range m.keys {
			if _, ok := v.index[e.name]; !ok {
				v.put(e)
			}
		}
	}
	return v
}
