package writeback

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway.dev/cluster/api/v1alpha1"
)

// kustomize sets the digests in the list "images" of a kustomization, and adds what is
// missing there.
func kustomize(d *document, images []v1alpha1.Image) error {
	if len(d.roots) != 1 || len(d.roots[0].Content) != 1 || d.roots[0].Content[0].Kind != yaml.MappingNode {
		return fmt.Errorf("%s: want one mapping", d.name)
	}
	root := d.roots[0].Content[0]
	list := field(root, "images")
	var added []v1alpha1.Image
	for _, i := range images {
		entry := entryOf(list, i.Name)
		if entry == nil {
			added = append(added, i)
			continue
		}
		if err := d.setDigest(entry, i.Digest); err != nil {
			return err
		}
	}
	if len(added) == 0 {
		return nil
	}
	return d.add(root, list, added)
}

// field of a mapping; nil if it is not there.
func field(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

func text(m *yaml.Node, key string) string {
	if n := field(m, key); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// entryOf an image: the one that is named so, or that renames another so.
func entryOf(list *yaml.Node, image string) *yaml.Node {
	if list == nil {
		return nil
	}
	for _, e := range list.Content {
		if e.Kind == yaml.MappingNode && (text(e, "newName") == image || text(e, "name") == image && text(e, "newName") == "") {
			return e
		}
	}
	return nil
}

// setDigest of an entry. A tag beside it would be wrong from then on, and goes.
func (d *document) setDigest(entry *yaml.Node, digest string) error {
	if n := field(entry, "digest"); n != nil {
		if n.Kind != yaml.ScalarNode {
			return fmt.Errorf("%s:%d: digest is no text", d.name, n.Line)
		}
		if err := d.replace(n, digest); err != nil {
			return err
		}
	} else {
		if entry.Style&yaml.FlowStyle != 0 {
			return fmt.Errorf("%s:%d: write the entry of the image with one key a line, or give it a digest", d.name, entry.Line)
		}
		name := entry.Content[0]
		at, err := d.at(name.Line, name.Column)
		if err != nil {
			return err
		}
		d.insertAfter(at, strings.Repeat(" ", name.Column-1)+"digest: "+digest)
		entry.Content = append(entry.Content, scalar("digest"), scalar(digest))
	}
	return d.dropTag(entry)
}

func (d *document) dropTag(entry *yaml.Node) error {
	for i := 0; i+1 < len(entry.Content); i += 2 {
		key, value := entry.Content[i], entry.Content[i+1]
		if key.Value != "newTag" {
			continue
		}
		at, err := d.at(key.Line, key.Column)
		if err != nil {
			return err
		}
		begin := bytes.LastIndexByte(d.data[:at], '\n') + 1
		end := len(d.data)
		if n := bytes.IndexByte(d.data[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		// Only where it has its line to itself; beside the "-" of the entry it has not.
		if len(bytes.TrimSpace(d.data[begin:at])) > 0 || value.Line != key.Line || entry.Style&yaml.FlowStyle != 0 {
			return nil
		}
		d.edits = append(d.edits, change{begin, end, ""})
		entry.Content = append(entry.Content[:i:i], entry.Content[i+2:]...)
		return nil
	}
	return nil
}

// add entries at the end of the list, and the list at the end of the file if need be.
func (d *document) add(root, list *yaml.Node, images []v1alpha1.Image) error {
	var entries []*yaml.Node
	for _, i := range images {
		entries = append(entries, &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("name"), scalar(i.Name), scalar("digest"), scalar(i.Digest)}})
	}
	lines := func(indent string) string {
		var out []string
		for _, i := range images {
			out = append(out, indent+"- name: "+i.Name, indent+"  digest: "+i.Digest)
		}
		return strings.Join(out, d.newline())
	}
	if list == nil {
		if root.Style&yaml.FlowStyle != 0 {
			return fmt.Errorf("%s: write the kustomization with one key a line", d.name)
		}
		text := "images:" + d.newline() + lines("") + d.newline()
		if len(d.data) > 0 && d.data[len(d.data)-1] != '\n' {
			text = d.newline() + text
		}
		d.edits = append(d.edits, change{len(d.data), len(d.data), text})
		root.Content = append(root.Content, scalar("images"), &yaml.Node{Kind: yaml.SequenceNode, Content: entries})
		return nil
	}
	oneByOne := fmt.Errorf("%s:%d: write images as a list with one entry after the other, or take the key out", d.name, list.Line)
	if list.Kind != yaml.SequenceNode || list.Style&yaml.FlowStyle != 0 || len(list.Content) == 0 {
		return oneByOne
	}
	first, err := d.at(list.Content[0].Line, list.Content[0].Column)
	if err != nil {
		return err
	}
	begin := bytes.LastIndexByte(d.data[:first], '\n') + 1
	dash := bytes.IndexByte(d.data[begin:first], '-')
	if dash < 0 || len(bytes.TrimSpace(d.data[begin:begin+dash])) > 0 {
		return oneByOne
	}
	at, err := d.at(lastLine(list), 1)
	if err != nil {
		return err
	}
	d.insertAfter(at, lines(string(d.data[begin:begin+dash])))
	list.Content = append(list.Content, entries...)
	return nil
}

// insertAfter puts lines after the line that at is in.
func (d *document) insertAfter(at int, lines string) {
	n := bytes.IndexByte(d.data[at:], '\n')
	if n < 0 {
		d.edits = append(d.edits, change{len(d.data), len(d.data), d.newline() + lines})
		return
	}
	d.edits = append(d.edits, change{at + n + 1, at + n + 1, lines + d.newline()})
}

// newline as the file has it.
func (d *document) newline() string {
	if bytes.Contains(d.data, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// lastLine on which a node has something.
func lastLine(n *yaml.Node) int {
	line := n.Line
	for _, c := range n.Content {
		line = max(line, lastLine(c))
	}
	return line
}

func scalar(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}
