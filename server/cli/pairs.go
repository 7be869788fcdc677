package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pairs is the value of a flag NAME=VALUE that may be repeated. What is behind the first
// "=" is the value, whatever is in it.
type pairs struct{ to *map[string]string }

// String is what was given, in the order of names.
func (p pairs) String() string {
	if p.to == nil {
		return ""
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(*p.to)) {
		out = append(out, name+"="+(*p.to)[name])
	}
	return strings.Join(out, " ")
}

// Set takes one more.
func (p pairs) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q: write NAME=VALUE", text)
	}
	if *p.to == nil {
		*p.to = map[string]string{}
	}
	(*p.to)[name] = value
	return nil
}

// Type is what the help calls the value.
func (pairs) Type() string { return "NAME=VALUE" }
