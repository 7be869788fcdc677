package render

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"
)

// maxIndexBytes of a chart repository's index.yaml.
const maxIndexBytes = 48 << 20

// IndexQuery asks a chart repository's index for a version of a chart. Reading it is a
// job for a child: it is large, and a stranger wrote it.
type IndexQuery struct {
	// File in the tree.
	File string `json:"file"`
	// Chart and Version, which may be a range.
	Chart   string `json:"chart"`
	Version string `json:"version,omitempty"`
}

// IndexEntry is one version of a chart.
type IndexEntry struct {
	Version string   `json:"version" yaml:"version"`
	URLs    []string `json:"urls" yaml:"urls"`
	// Digest is hexadecimal SHA-256 of the archive, where the index says so.
	Digest string `json:"digest,omitempty" yaml:"digest"`
}

// Find does the work. It belongs in the child: call Runner.Find instead.
func Find(root *os.Root, q IndexQuery) (*IndexEntry, error) {
	f, err := root.Open(q.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIndexBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxIndexBytes {
		return nil, refuse("index.yaml", 0, "larger than %d MiB", maxIndexBytes>>20)
	}
	return findChart(data, q.Chart, q.Version)
}

// findChart decodes only the entry of one chart: aliases are not followed elsewhere, and
// the rest of a large index never becomes values.
func findChart(data []byte, chart, version string) (*IndexEntry, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, syntaxError("index.yaml", nil, err)
	}
	entries := under(&doc, "entries")
	if entries == nil {
		return nil, refuse("index.yaml", 0, "this is not the index of a chart repository: it has no entries")
	}
	list := under(entries, chart)
	if list == nil || list.Kind != yaml.SequenceNode {
		var known []string
		for i := 0; i+1 < len(entries.Content) && entries.Kind == yaml.MappingNode; i += 2 {
			known = append(known, text(entries.Content[i]))
		}
		slices.Sort(known)
		return nil, refuse("", 0, "chart %q is not in the repository, which has %s", chart, cmp.Or(strings.Join(clipList(known, 10), ", "), "none"))
	}
	if len(list.Content) > maxVersions {
		return nil, refuse("index.yaml", list.Line, "more than %d versions of one chart", maxVersions)
	}
	found := map[string]*IndexEntry{}
	versions := make([]string, 0, len(list.Content))
	for _, n := range list.Content {
		if n.Kind != yaml.MappingNode {
			continue
		}
		e := &IndexEntry{Digest: text(under(n, "digest")), Version: text(under(n, "version"))}
		if urls := under(n, "urls"); urls != nil && urls.Kind == yaml.SequenceNode {
			for _, u := range urls.Content[:min(len(urls.Content), 10)] {
				e.URLs = append(e.URLs, text(u))
			}
		}
		if found[e.Version] == nil && len(e.URLs) > 0 {
			found[e.Version] = e
			versions = append(versions, e.Version)
		}
	}
	best, err := NewestVersion(versions, version)
	if err != nil {
		return nil, refuse("", 0, "chart %q: %v", chart, err)
	}
	return found[best], nil
}

// under is the value of a key of a mapping, or nil.
func under(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || len(n.Value) > 2000 {
		return ""
	}
	return n.Value
}

const maxVersions = 20_000

// NewestVersion picks from versions what a wish means: the very version, if it is one
// of them, or the newest within a range. An empty wish is the newest that is no
// pre-release. What is no version at all is passed over.
func NewestVersion(versions []string, wish string) (string, error) {
	for _, v := range versions {
		if v == wish && v != "" {
			return v, nil
		}
	}
	if wish == "" {
		wish = "*"
	}
	if len(wish) > 100 {
		return "", errors.New("the wanted version is longer than 100 characters")
	}
	allowed, err := semver.NewConstraint(wish)
	if err != nil {
		return "", errors.New("the wanted version " + quote(wish) + " is neither a version nor a range of versions")
	}
	var best *semver.Version
	for _, v := range versions {
		if len(v) > 100 {
			continue
		}
		parsed, err := semver.NewVersion(v)
		if err != nil || !allowed.Check(parsed) {
			continue
		}
		if best == nil || parsed.GreaterThan(best) {
			best = parsed
		}
	}
	if best == nil {
		if len(versions) == 0 {
			return "", errors.New("there is no version of it")
		}
		return "", errors.New("no version of it is " + quote(wish) + "; there are " + strings.Join(clipList(versions, 5), ", "))
	}
	return best.Original(), nil
}

func quote(s string) string { return `"` + s + `"` }

func clipList(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(append([]string{}, list[:n]...), "…")
}
