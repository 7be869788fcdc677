package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Params are the values of placeholders by name.
type Params map[string]string

// expand fills {{name}} in. Everything between two pairs of braces must be a known
// name: there is no language here, and a typing error is not shipped.
func (p Params) expand(text string) (string, error) {
	var b strings.Builder
	rest := text
	for {
		before, after, found := strings.Cut(rest, "{{")
		b.WriteString(before)
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}}")
		if !closed {
			return "", fmt.Errorf("%.80q: {{ without }}", text)
		}
		value, known := p[strings.TrimSpace(name)]
		if !known {
			return "", fmt.Errorf("%.80q: placeholder {{%.40s}} is not known here; known: %s", text, strings.TrimSpace(name), strings.Join(p.names(), ", "))
		}
		b.WriteString(value)
		rest = tail
	}
	if strings.Contains(b.String(), "}}") && strings.Count(text, "}}") != strings.Count(text, "{{") {
		return "", fmt.Errorf("%.80q: }} without {{", text)
	}
	return b.String(), nil
}

func (p Params) names() []string {
	names := make([]string, 0, len(p))
	for n := range p {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// both sets a value and its slug.
func (p Params) both(name, value string) {
	p[name], p[name+".slug"] = value, Slug(value)
}

// Slug makes a text fit into the name of an object: lower-case letters, digits and
// single dashes, at most 40 of them.
func Slug(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 40 {
			break
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	return "x"
}

// Bounded cuts a name to the length, and ends a cut one with a digest of the whole.
func Bounded(name string, length int) string {
	if len(name) <= length {
		return name
	}
	return strings.Trim(name[:length-9], "-") + "-" + digest(name)
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:4])
}

// PreviewNamespace of an application: its name says whose it is, and its digest keeps it
// apart from all others.
func PreviewNamespace(tenant, set, application string) string {
	sum := digest("preview", tenant, set, application)
	name := tenant + "-" + application
	return strings.Trim(name[:min(len(name), 63-1-len(sum))], "-") + "-" + sum
}

// strings of a JSON value are filled in; keys may hold no placeholder.
func (p Params) fill(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return p.expand(v)
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range sorted(v) {
			if strings.Contains(k, "{{") {
				return nil, fmt.Errorf("%.80q: placeholders stand in values, not in keys", k)
			}
			filled, err := p.fill(v[k])
			if err != nil {
				return nil, err
			}
			out[k] = filled
		}
		return out, nil
	case []any:
		out := slices.Clone(v)
		for i := range out {
			filled, err := p.fill(out[i])
			if err != nil {
				return nil, err
			}
			out[i] = filled
		}
		return out, nil
	}
	return v, nil
}

func sorted(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
