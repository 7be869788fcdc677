package writeback

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of a file that is edited.
const (
	maxFile  = 2 << 20
	maxNodes = 200_000
	maxDepth = 100
)

// document is one file of YAML: its bytes, its documents, and the changes to make.
type document struct {
	name  string
	data  []byte
	roots []*yaml.Node
	edits []change
}

// change puts text at [from, to) of the bytes.
type change struct {
	from, to int
	text     string
}

// parse the documents of a file. Files that are no YAML, such as templates, are errors.
func parse(name string, data []byte) (*document, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: files of more than %d MiB are not edited", name, maxFile>>20)
	}
	d := &document{name: name, data: data}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	left := maxNodes
	for {
		n := &yaml.Node{}
		err := decoder.Decode(n)
		if errors.Is(err, io.EOF) {
			return d, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := bounded(n, 0, &left); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		d.roots = append(d.roots, n)
	}
}

func bounded(n *yaml.Node, depth int, left *int) error {
	if *left--; *left < 0 || depth > maxDepth {
		return errors.New("more values, or nested more deeply, than is edited")
	}
	for _, c := range n.Content {
		if err := bounded(c, depth+1, left); err != nil {
			return err
		}
	}
	return nil
}

// visit every mapping of the documents with its keys and values; aliases are not
// followed, since what they stand for is visited where it is.
func (d *document) visit(f func(key, value *yaml.Node, path []string)) {
	var walk func(n *yaml.Node, path []string)
	walk = func(n *yaml.Node, path []string) {
		switch n.Kind {
		case yaml.DocumentNode, yaml.SequenceNode:
			for _, c := range n.Content {
				walk(c, path)
			}
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				below := append(path[:len(path):len(path)], n.Content[i].Value)
				f(n.Content[i], n.Content[i+1], below)
				walk(n.Content[i+1], below)
			}
		}
	}
	for _, r := range d.roots {
		walk(r, nil)
	}
}

// at is the place of a line and column of the parser, which count from 1 and in runes.
func (d *document) at(line, column int) (int, error) {
	at := 0
	for range line - 1 {
		i := bytes.IndexByte(d.data[at:], '\n')
		if i < 0 {
			return 0, fmt.Errorf("%s:%d: no such line", d.name, line)
		}
		at += i + 1
	}
	if at == 0 && bytes.HasPrefix(d.data, []byte("\uFEFF")) {
		at = len("\uFEFF")
	}
	for range column - 1 {
		_, size := utf8.DecodeRune(d.data[at:])
		if size == 0 || d.data[at] == '\n' {
			return 0, fmt.Errorf("%s:%d: no such column", d.name, line)
		}
		at += size
	}
	return at, nil
}

// token finds the bytes of a scalar's value, within its quotes if it has any.
func (d *document) token(n *yaml.Node) (from, to int, err error) {
	refuse := func(why string) (int, int, error) {
		return 0, 0, fmt.Errorf("%s:%d: %q %s; write it in one line, plainly", d.name, n.Line, clip(n.Value), why)
	}
	at, err := d.at(n.Line, n.Column)
	if err != nil {
		return 0, 0, err
	}
	for at < len(d.data) && (d.data[at] == '&' || d.data[at] == '!') { // anchors and tags
		end := bytes.IndexAny(d.data[at:], " \t\r\n")
		if end < 0 || d.data[at+end] == '\n' || d.data[at+end] == '\r' {
			return refuse("begins on another line than its tag")
		}
		at += end
		for at < len(d.data) && (d.data[at] == ' ' || d.data[at] == '\t') {
			at++
		}
	}
	switch n.Style &^ yaml.TaggedStyle {
	case 0:
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		if at >= len(d.data) || d.data[at] != '"' && d.data[at] != '\'' {
			return refuse("is not where it should be")
		}
		at++
	default:
		return refuse("is a block of text")
	}
	if !bytes.HasPrefix(d.data[at:], []byte(n.Value)) || strings.ContainsAny(n.Value, "\r\n") {
		return refuse("has escapes, or goes over several lines")
	}
	return at, at + len(n.Value), nil
}

// replace the value of a scalar.
func (d *document) replace(n *yaml.Node, value string) error {
	if n.Value == value {
		return nil
	}
	from, to, err := d.token(n)
	if err != nil {
		return err
	}
	if from == to { // an empty value has no place of its own
		return fmt.Errorf("%s:%d: there is no value to replace", d.name, n.Line)
	}
	d.edits = append(d.edits, change{from, to, value})
	n.Value, n.Tag = value, "!!str"
	return nil
}

// bytes of the file with all changes made. Read again, it must say what the changed
// nodes say, and nothing else.
func (d *document) bytes() ([]byte, error) {
	out := bytes.Clone(d.data)
	// From the end, and at one place the later first, so that it comes out behind.
	edits := slices.Clone(d.edits)
	slices.Reverse(edits)
	sort.SliceStable(edits, func(i, j int) bool { return edits[i].from > edits[j].from })
	for _, e := range edits {
		out = append(out[:e.from:e.from], append([]byte(e.text), out[e.to:]...)...)
	}
	again, err := parse(d.name, out)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be changed without breaking it: %w", d.name, err)
	}
	want, err := values(d.roots)
	if err != nil {
		return nil, err
	}
	got, err := values(again.roots)
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(want, got) {
		return nil, fmt.Errorf("%s cannot be changed without changing something else in it", d.name)
	}
	return out, nil
}

func values(roots []*yaml.Node) ([]any, error) {
	out := make([]any, len(roots))
	for i, r := range roots {
		if err := r.Decode(&out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func clip(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…"
}
