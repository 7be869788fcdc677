package render

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Place in a file; a line or column that is not known is 0.
type Place struct {
	File         string
	Line, Column int
}

// Refuse names the place.
func (p Place) Refuse(format string, args ...any) *Error {
	return &Error{File: p.File, Line: p.Line, Column: p.Column, Message: fmt.Sprintf(format, args...)}
}

// Places finds texts in a YAML file, so that a refusal of one can say where it is. The
// file is parsed when the first one is looked for. What cannot be parsed has no places.
type Places struct {
	file    string
	data    []byte
	parsed  bool
	roots   []*yaml.Node
	scalars map[string]*yaml.Node
}

// NewPlaces of a file that Decode found to be harmless.
func NewPlaces(file string, data []byte) *Places { return &Places{file: file, data: data} }

func (p *Places) parse() {
	if p.parsed {
		return
	}
	p.parsed, p.scalars = true, map[string]*yaml.Node{}
	decoder := yaml.NewDecoder(bytes.NewReader(p.data))
	for len(p.roots) < maxObjects {
		var n yaml.Node
		if decoder.Decode(&n) != nil {
			break
		}
		p.roots = append(p.roots, &n)
		p.note(&n)
	}
}

// note the first place of each scalar. Aliases are not followed.
func (p *Places) note(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && p.scalars[n.Value] == nil {
		p.scalars[n.Value] = n
	}
	for _, c := range n.Content {
		p.note(c)
	}
}

// Of the first scalar that is text, or else of the file.
func (p *Places) Of(text string) Place {
	p.parse()
	if n := p.scalars[text]; n != nil {
		return Place{p.file, n.Line, n.Column}
	}
	return Place{File: p.file}
}

// At is the place of what a path of keys and indexes leads to; ok says whether all of it
// is in the file.
func (p *Places) At(path []string) (at Place, ok bool) {
	p.parse()
	if len(p.roots) == 0 {
		return Place{File: p.file}, false
	}
	n := p.roots[0]
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	for _, key := range path {
		if n = step(n, key); n == nil {
			return Place{File: p.file}, false
		}
	}
	return Place{p.file, n.Line, n.Column}, true
}

func step(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
		return nil
	}
	return under(n, key)
}

var yamlLine = regexp.MustCompile(`line (\d+)(?:, column (\d+))?: `)

// syntaxError moves the line out of the parser's message, and says what is mostly meant by it.
func syntaxError(file string, data []byte, err error) *Error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	at := Place{File: file}
	if m := yamlLine.FindStringSubmatchIndex(message); m != nil {
		at.Line, _ = strconv.Atoi(message[m[2]:m[3]])
		if m[4] >= 0 {
			at.Column, _ = strconv.Atoi(message[m[4]:m[5]])
		}
		message = message[:m[0]] + message[m[1]:]
	}
	if line, column := tab(data, at.Line); line > 0 {
		at.Line, at.Column = line, column
		return at.Refuse("a tab indents this line; YAML takes spaces only")
	}
	for said, hint := range hints {
		if strings.Contains(message, said) {
			message += "; " + hint
			break
		}
	}
	return at.Refuse("%s", message)
}

// hints for messages that say what the parser wanted, not what a person did.
var hints = map[string]string{
	"mapping values are not allowed": `is this line indented too far, or is there a ": " in a text without quotes?`,
	"did not find expected key":      "is this line, or one beside it, indented as its neighbours are?",
	"could not find expected ':'":    `is the ":" missing, or a quote not closed?`,
	"found unknown escape character": `in double quotes "\\" begins an escape; use single quotes`,
}

// tab finds one that indents the line of an error, or one beside it.
func tab(data []byte, line int) (at, column int) {
	lines := bytes.Split(data, []byte("\n"))
	for _, i := range []int{line, line + 1, line - 1} {
		if i < 1 || i > len(lines) || line == 0 {
			continue
		}
		text := lines[i-1]
		indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
		if t := bytes.IndexByte(indent, '\t'); t >= 0 && len(bytes.TrimSpace(text)) > 0 {
			return i, t + 1
		}
	}
	return 0, 0
}
