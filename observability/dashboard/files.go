package dashboard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"
)

// File of a repository's directory of dashboards.
type File struct {
	// Path within the repository.
	Path string
	// Key of a ConfigMap whose Data is JSON.
	Key  string
	Data []byte
	// Refused is why there is no Data.
	Refused string
}

// IsFile says whether a file of that name in Directory is read: JSON, and YAML, in which
// ConfigMaps have them.
func IsFile(name string) bool {
	switch path.Ext(name) {
	case ".json", ".yaml", ".yml":
		return !strings.HasPrefix(path.Base(name), ".")
	}
	return false
}

// Label of ConfigMaps whose keys *.json are dashboards, as Grafana's sidecar in
// kube-prometheus-stack looks for.
const Label = "grafana_dashboard"

// Marked says whether a value of Label makes its ConfigMap one of dashboards.
func Marked(value string) bool { return value != "" && value != "0" && value != "false" }

// maxProblems that are told of.
const maxProblems = 100

// found is a dashboard of a file with the place of its UID, or what is wrong with it.
type found struct {
	Own
	uid Problem // where it is, without a message
	bad *Problem
}

// Read the dashboards of one repository, in the order of their paths. Of two with one UID
// the first is taken; who has one elsewhere is in others. Those that are bad are told of,
// and keep no other from being read.
func Read(files []File, others map[string]string) (all []Own, bad []Problem) {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	taken, total, count := maps.Clone(others), 0, 0
	if taken == nil {
		taken = map[string]string{}
	}
	for _, f := range files {
		if len(bad) >= maxProblems {
			f.Refused = "it is not read: so much else is wrong"
		}
		if f.Refused != "" {
			bad = append(bad, Problem{File: f.Path, Message: f.Refused})
			continue
		}
		for _, d := range inFile(f) {
			if d.bad != nil {
				bad = append(bad, *d.bad)
				continue
			}
			p := d.uid
			if count++; count > MaxFiles {
				p.Message = fmt.Sprintf("a repository may have %d dashboards", MaxFiles)
			} else if total += len(d.JSON); total > MaxTotal {
				p.Message = fmt.Sprintf("the dashboards of a repository may have %d MiB together", MaxTotal>>20)
			} else if by, ok := taken[d.UID]; ok {
				p.Message = fmt.Sprintf("uid %q is that of %s", d.UID, by)
				_, p.Taken = others[d.UID]
			}
			if p.Message != "" {
				bad = append(bad, p)
				continue
			}
			taken[d.UID] = d.File
			all = append(all, d.Own)
		}
	}
	return all, bad
}

func inFile(f File) []found {
	if f.Key != "" || path.Ext(f.Path) == ".json" {
		return []found{inText(f.Path, f.Key, f.Data, 0)}
	}
	return inConfigMaps(f)
}

// inText is the one dashboard of a text, which begins after so many lines of the file.
func inText(file, key string, data []byte, lines int) found {
	o, at, err := parse(data)
	if err != nil {
		p := problem(file, data, err)
		if key != "" {
			p.Message = key + ": " + p.Message
		}
		if p.Line > 0 {
			p.Line += lines
		}
		return found{bad: &p}
	}
	if o.File = file; key != "" {
		o.File += "#" + key
	}
	p := Problem{File: file}
	p.Line, p.Column = lineOf(data, at)
	p.Line += lines
	return found{Own: o, uid: p}
}

// yamlLine is how the errors of the YAML package name a line.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// inConfigMaps that have Label; other objects are left to those whom they concern.
func inConfigMaps(f File) (out []found) {
	if len(f.Data) > MaxBytes {
		return []found{{bad: &Problem{File: f.Path, Message: fmt.Sprintf("larger than %d KiB", MaxBytes>>10)}}}
	}
	d := yaml.NewDecoder(bytes.NewReader(f.Data))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			p := Problem{File: f.Path, Message: err.Error()}
			if m := yamlLine.FindStringSubmatch(p.Message); m != nil {
				p.Message = strings.TrimPrefix(p.Message, m[0])
				p.Line, _ = strconv.Atoi(m[1]) // digits
				p.Column = 1
			}
			return append(out, found{bad: &p})
		}
		if len(doc.Content) != 1 || scalar(doc.Content[0], "kind") != "ConfigMap" {
			continue
		}
		labels := member(member(doc.Content[0], "metadata"), "labels")
		if !Marked(scalar(labels, Label)) {
			continue
		}
		data := member(doc.Content[0], "data")
		for i := 0; data != nil && data.Kind == yaml.MappingNode && i+1 < len(data.Content); i += 2 {
			key, v := data.Content[i], data.Content[i+1]
			if v.Kind != yaml.ScalarNode || !strings.HasSuffix(key.Value, ".json") {
				continue
			}
			if errs := validation.IsConfigMapKey(key.Value); len(errs) > 0 {
				out = append(out, found{bad: &Problem{File: f.Path, Line: key.Line, Column: key.Column, Message: fmt.Sprintf("key %q: %s", clip(key.Value), errs[0])}})
				continue
			}
			lines := v.Line - 1
			if v.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
				lines++ // the text begins below the | or >
			}
			if len(out) > MaxFiles {
				return out // Read says so
			}
			out = append(out, inText(f.Path, key.Value, []byte(v.Value), lines))
		}
	}
}

// member of a mapping, or nil.
func member(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func scalar(n *yaml.Node, name string) string {
	if m := member(n, name); m != nil && m.Kind == yaml.ScalarNode {
		return m.Value
	}
	return ""
}
