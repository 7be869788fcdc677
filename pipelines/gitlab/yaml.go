package gitlab

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

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

// documents of the bytes: at most two, those that are empty left out. The names of
// places are file's. It says false where the bytes are not YAML at all.
func documents(content []byte, file string, p *problems) (docs []*value, ok bool) {
	at := place{line: 1, column: 1, file: file}
	if len(content) > maxBytes {
		p.add(place{file: file}, ruleLimit, "split the work over several files with include, or move long scripts into files",
			"the file has %d bytes; at most %d are read", len(content), maxBytes)
		return nil, false
	}
	defer func() {
		// The parser is not ours and its input is anybody's.
		if r := recover(); r != nil {
			p.add(at, ruleSyntax, "", "the file is not readable as YAML")
			docs, ok = nil, false
		}
	}()
	text := strings.TrimPrefix(string(content), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if at, why := notText(text); why != "" {
		at.file = file
		p.add(at, ruleSyntax, "save the file as UTF-8; a script can write any bytes with printf", "%s", why)
		return nil, false
	}
	tokens := lexer.Tokenize(text)
	if at, why := tooDeep(tokens); why != "" {
		at.file = file
		p.add(at, ruleLimit, "", "%s", why)
		return nil, false
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		addSyntax(err, file, p)
		return nil, false
	}
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		b := builder{problems: p, file: file, anchors: map[string]*value{}}
		if len(docs) == 2 {
			p.add(b.build(doc.Body).place, ruleSyntax, "a file is a `spec` header, `---`, and the jobs", "a third YAML document")
			break
		}
		docs = append(docs, b.build(doc.Body))
	}
	return docs, true
}

// notText finds the first byte that YAML does not allow: no UTF-8, or a control character.
func notText(text string) (place, string) {
	at := start
	for i, r := range text {
		switch {
		case r == utf8.RuneError && strings.HasPrefix(text[i:], "\ufffd"): // written like that
		case r == utf8.RuneError:
			return at, fmt.Sprintf("the byte 0x%02x is not UTF-8 text", text[i])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f:
			return at, fmt.Sprintf("the control character 0x%02x cannot stand in YAML", r)
		}
		if at.column++; r == '\n' {
			at.line, at.column = at.line+1, 1
		}
	}
	return start, ""
}

func addSyntax(err error, file string, p *problems) {
	var e yaml.Error
	if !errors.As(err, &e) {
		p.add(place{line: 1, column: 1, file: file}, ruleSyntax, "", "%s", err)
		return
	}
	hint := ""
	if strings.Contains(e.GetMessage(), "\t") || strings.Contains(e.GetMessage(), "tab") {
		hint = "indent with spaces"
	}
	at := position(e.GetToken())
	at.file = file
	p.add(at, ruleSyntax, hint, "%s", strings.ReplaceAll(e.GetMessage(), "\t", `\t`))
}

func position(t *token.Token) place {
	if t == nil || t.Position == nil {
		return start
	}
	return place{line: max(1, t.Position.Line), column: max(1, t.Position.Column)}
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
	file    string
	anchors map[string]*value
	merged  int // keys that << copied
}

func (b *builder) at(t *token.Token) place {
	p := position(t)
	p.file = b.file
	return p
}

func (b *builder) build(n ast.Node) *value {
	if n == nil {
		return &value{place: b.at(nil)}
	}
	at := b.at(n.GetToken())
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
			at = b.at(n.Values[0].Key.GetToken())
		}
		return b.mapping(n.Values, at)
	case *ast.MappingKeyNode:
		return b.build(n.Value)
	case *ast.MappingValueNode:
		return b.mapping([]*ast.MappingValueNode{n}, b.at(n.Key.GetToken()))
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

// mapping reads the keys in their order, as GitLab's parser does: `<<` sets what it
// merges there and then, over what stands above it, and what stands below wins over
// it. In a list of several the first wins.
func (b *builder) mapping(values []*ast.MappingValueNode, at place) *value {
	v := &value{kind: kindMap, place: at}
	own := map[string]place{}
	for _, pair := range values {
		if pair.Key.IsMergeKey() {
			b.merge(v, b.build(pair.Value), b.at(pair.Key.GetToken()))
			continue
		}
		key := b.build(pair.Key)
		if !key.scalar() {
			b.add(key.place, ruleType, "", "a key is a word, and this is %s", key.kind)
			continue
		}
		if first, ok := own[key.text]; ok {
			b.add(key.place, ruleDuplicate, "keep one of the two", "%q is there twice; first in line %d", key.text, first.line)
		}
		own[key.text] = key.place
		val := b.build(pair.Value)
		if pair.Value == nil {
			val.place = key.place
		}
		v.put(entry{name: key.text, at: key.place, val: val})
	}
	return v
}

func (b *builder) merge(into, from *value, at place) {
	list := []*value{from}
	if from.kind == kindList {
		list = slices.Clone(from.items)
		slices.Reverse(list)
	}
	for _, m := range list {
		if m.kind != kindMap && m.kind != kindNull {
			b.add(at, ruleType, "", "<< merges mappings, and this is %s", m.kind)
			continue
		}
		if b.merged += len(m.keys); b.merged > maxMerges {
			b.add(at, ruleLimit, "merge fewer or smaller mappings", "the merge keys of this file copy more than %d keys", maxMerges)
			return
		}
		for _, e := range m.keys {
			into.put(e)
		}
	}
}
