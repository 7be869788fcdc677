package elastic

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway.dev/cluster/atomicfile"
)

// Kinds of objects.
const (
	kindTemplate  = "index_template"
	kindComponent = "component_template"
	kindLegacy    = "template"
	kindPolicy    = "ilm"
	kindStream    = "data_stream"
	kindIndex     = "index"
)

const (
	// maxObjects is how many objects of all kinds a namespace may have, maxObject how large one is.
	maxObjects = 1000
	maxObject  = 256 << 10
)

// record is a template, policy, data stream or index that a caller made. It belongs to
// the caller's home, and those who read that namespace see it.
type record struct {
	Namespace, Kind, Name string
	Body                  json.RawMessage
	Version               int
	At                    time.Time
}

// objects keeps them in a file.
type objects struct {
	file string

	mu  sync.Mutex
	all []record
}

func openObjects(file string) (*objects, error) {
	o := &objects{file: file}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &o.all)
	}
	if err != nil {
		return nil, fmt.Errorf("elasticsearch objects %s: %w", file, err)
	}
	return o, nil
}

func (a Access) reads(namespace string) bool { return a.Every || slices.Contains(a.Read, namespace) }

// list returns what the caller sees of a kind, by name; its home's before another's.
func (o *objects) list(a Access, kind string) []record {
	o.mu.Lock()
	defer o.mu.Unlock()
	var seen []record
	for _, s := range o.all {
		if s.Kind == kind && a.reads(s.Namespace) {
			seen = append(seen, s)
		}
	}
	slices.SortStableFunc(seen, func(x, y record) int {
		if x.Name != y.Name {
			return strings.Compare(x.Name, y.Name)
		}
		if x.Namespace == a.Home {
			return -1
		}
		return 1
	})
	return slices.CompactFunc(seen, func(x, y record) bool { return x.Name == y.Name })
}

// put makes or replaces the caller's object.
func (o *objects) put(a Access, kind, name string, body json.RawMessage) error {
	if err := a.mayWrite(); err != nil {
		return err
	}
	if len(body) > maxObject {
		return refuse(413, "content_too_large_exception", "[%s] %s is larger than %d bytes", kind, name, maxObject)
	}
	if name == "" || len(name) > 255 || strings.ContainsAny(name, " ,#*\n") {
		return illegal("name [%.100s] of %s is not valid", name, kind)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	all := slices.Clone(o.all)
	n := record{Namespace: a.Home, Kind: kind, Name: name, Body: body, Version: 1, At: time.Now().UTC()}
	mine := 0
	for i, s := range all {
		if s.Namespace != a.Home {
			continue
		}
		if mine++; s.Kind == kind && s.Name == name {
			n.Version = s.Version + 1
			all[i] = n
			return o.save(all)
		}
	}
	if mine >= maxObjects {
		return illegal("namespace %s has %d templates, policies and data streams; delete some", a.Home, mine)
	}
	return o.save(append(all, n))
}

// drop deletes what of the caller's home a pattern covers.
func (o *objects) drop(a Access, kind, pattern string) error {
	if err := a.mayWrite(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(o.all), func(s record) bool {
		return s.Namespace == a.Home && s.Kind == kind && covers(pattern, s.Name)
	})
	if len(left) == len(o.all) && !strings.Contains(pattern, "*") {
		return refuse(404, "resource_not_found_exception", "%s [%.100s] missing", kind, pattern)
	}
	return o.save(left)
}

func (o *objects) save(all []record) error {
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(o.file, b, 0o600); err != nil {
		return err
	}
	o.all = all
	return nil
}

type mappings struct {
	Properties map[string]property `json:"properties"`
}

type property struct {
	Type       string              `json:"type"`
	Properties map[string]property `json:"properties"`
}

type templateBody struct {
	Patterns   []string        `json:"index_patterns"`
	ComposedOf []string        `json:"composed_of"`
	Priority   int             `json:"priority"`
	Order      int             `json:"order"`
	DataStream json.RawMessage `json:"data_stream"`
	Mappings   mappings        `json:"mappings"`
	Settings   map[string]any  `json:"settings"`
	Template   struct {
		Mappings  mappings         `json:"mappings"`
		Settings  map[string]any   `json:"settings"`
		Lifecycle *streamLifecycle `json:"lifecycle"`
	} `json:"template"`
}

// mapped are the kinds that templates and indices say for the indices of a request.
func (o *objects) mapped(a Access, names string) map[string]string {
	kinds := map[string]string{}
	components := map[string]templateBody{}
	read := func(kind string, each func(record, templateBody)) {
		for _, s := range o.list(a, kind) {
			var b templateBody
			if json.Unmarshal(s.Body, &b) == nil {
				each(s, b)
			}
		}
	}
	read(kindComponent, func(s record, b templateBody) { components[s.Name] = b })
	apply := func(_ record, b templateBody) {
		if !overlap(b.Patterns, names) {
			return
		}
		for _, name := range b.ComposedOf {
			leaves(components[name].Template.Mappings.Properties, "", kinds, 0)
		}
		leaves(b.Mappings.Properties, "", kinds, 0)
		leaves(b.Template.Mappings.Properties, "", kinds, 0)
	}
	read(kindLegacy, apply)
	read(kindTemplate, apply)
	read(kindIndex, func(s record, b templateBody) {
		if covers(names, s.Name) {
			leaves(b.Mappings.Properties, "", kinds, 0)
		}
	})
	return kinds
}

// overlap says whether a template's patterns and the names of a request have an index in common.
func overlap(patterns []string, names string) bool {
	for _, p := range patterns {
		for _, n := range strings.Split(names, ",") {
			if n == "" || n == "_all" || glob(p, n) || glob(n, p) || glob(p, strings.TrimSuffix(n, "*")) {
				return true
			}
		}
	}
	return false
}

func leaves(props map[string]property, path string, kinds map[string]string, depth int) {
	if depth > maxDepth {
		return
	}
	for name, p := range props {
		full := path + name
		switch p.Type {
		case "":
			leaves(p.Properties, full+".", kinds, depth+1)
		case "text", "match_only_text", "keyword", "constant_keyword", "wildcard", "ip", "date", "date_nanos", "boolean":
			kinds[full] = map[string]string{"match_only_text": kindText, "constant_keyword": kindKeyword, "wildcard": kindKeyword, "date_nanos": kindDate}[p.Type]
			if kinds[full] == "" {
				kinds[full] = p.Type
			}
		case "long", "integer", "short", "byte", "unsigned_long":
			kinds[full] = kindLong
		case "double", "float", "half_float", "scaled_float":
			kinds[full] = kindDouble
		}
	}
}
