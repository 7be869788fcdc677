// Package pattern owns the one kind of pattern that names of branches, tags and
// environments are chosen by: "*" stands for any characters, also none and also "/";
// everything else stands for itself. It never fails. Start at Match.
package pattern

import "strings"

// Match says whether name fits pattern. It takes time proportional to their product.
func Match(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	rest := name[len(first) : len(name)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return true
}
