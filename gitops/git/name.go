package git

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// MaxName is the longest name of a repository: it leaves room for the names of
// its runs and their jobs within the 63 bytes of a Kubernetes label.
const MaxName = 40

// ErrName is wrapped by every refusal of a name or path from outside.
var ErrName = errors.New("name not allowed")

// ValidName refuses every repository name that is not a short DNS label. It is
// the one gate between a string from outside and a directory of this server.
func ValidName(name string) error { return validLabel("repository name", name, MaxName) }

// ValidNamespace refuses every namespace that Kubernetes would refuse.
func ValidNamespace(ns string) error { return validLabel("namespace", ns, 63) }

func validLabel(what, s string, limit int) error {
	hint := `use lower-case letters, digits and "-"`
	switch {
	case s == "":
		return fmt.Errorf("%s is empty: %w; %s", what, ErrName, hint)
	case len(s) > limit:
		return fmt.Errorf("%s of %d bytes: %w; use at most %d", what, len(s), ErrName, limit)
	case s[0] == '-' || s[len(s)-1] == '-':
		return fmt.Errorf("%s %q begins or ends with \"-\": %w; %s", what, s, ErrName, hint)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%s %q: %w; %s", what, s, ErrName, hint)
		}
	}
	return nil
}

// ValidCommit says whether s is a full hexadecimal object name.
func ValidCommit(s string) bool {
	if len(s) != 40 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// ValidRef says whether a pushed ref is one that this server keeps: a branch, a
// tag or notes, in a form that fits into a Kubernetes object and a file system.
func ValidRef(ref string) bool {
	var rest string
	for _, p := range []string{"refs/heads/", "refs/tags/", "refs/notes/"} {
		if r, ok := strings.CutPrefix(ref, p); ok {
			rest = r
		}
	}
	if rest == "" || len(ref) > 240 || !utf8.ValidString(ref) || strings.HasPrefix(rest, "-") {
		return false
	}
	if strings.ContainsAny(rest, " ~^:?*[\\\x7f") || strings.Contains(rest, "..") || strings.Contains(rest, "@{") ||
		strings.HasSuffix(rest, ".") {
		return false
	}
	for _, r := range rest {
		if r < 0x20 {
			return false
		}
	}
	for _, part := range strings.Split(rest, "/") {
		if part == "" || part == "@" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// cleanPath refuses a path within a repository that is absolute, not clean, or
// reaches above its root. "" and "." are the root and come back as "".
func cleanPath(p string) (string, error) {
	if p == "" || p == "." {
		return "", nil
	}
	if strings.ContainsAny(p, "\x00\r\n") || path.IsAbs(p) || p == ".." || strings.HasPrefix(p, "../") {
		return "", fmt.Errorf("path %q: %w; give a path within the repository", p, ErrName)
	}
	c := path.Clean(p)
	if c != strings.TrimSuffix(p, "/") && c != strings.TrimPrefix(strings.TrimSuffix(p, "/"), "./") {
		return "", fmt.Errorf("path %q: %w; write it as %q", p, ErrName, c)
	}
	if c == "." {
		return "", nil
	}
	if c == ".." || strings.HasPrefix(c, "../") {
		return "", fmt.Errorf("path %q: %w; give a path within the repository", p, ErrName)
	}
	return c, nil
}

// entryName refuses what a tree may hold but a directory must not: git's own
// directory in any case, and names that are more than one path element.
func entryName(name string) error {
	low := strings.ToLower(name)
	if name == "" || name == "." || name == ".." || low == ".git" || low == "git~1" || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("entry %q: %w", name, ErrName)
	}
	return nil
}

// route is what one request path asks for.
type route struct {
	ns, name, rest string
}

// parsePath splits "/git/<name>.git/<rest>" and "/git/<ns>/<name>.git/<rest>".
// It takes the path as it was sent, so that nothing encoded is ever accepted.
func parsePath(escaped, defaultNS string) (route, error) {
	bad := func() (route, error) {
		return route{}, fmt.Errorf("no repository at this address: %w; use /git/<repository>.git", ErrName)
	}
	p, ok := strings.CutPrefix(escaped, "/git/")
	if !ok || len(p) > 300 {
		return bad()
	}
	parts := strings.SplitN(p, "/", 4)
	var r route
	switch {
	case strings.HasSuffix(parts[0], ".git"):
		r = route{ns: defaultNS, name: strings.TrimSuffix(parts[0], ".git"), rest: strings.Join(parts[1:], "/")}
	case len(parts) > 1 && strings.HasSuffix(parts[1], ".git"):
		r = route{ns: parts[0], name: strings.TrimSuffix(parts[1], ".git"), rest: strings.Join(parts[2:], "/")}
	default:
		return bad()
	}
	if err := ValidNamespace(r.ns); err != nil {
		return route{}, err
	}
	if err := ValidName(r.name); err != nil {
		return route{}, err
	}
	switch r.rest {
	case "info/refs", "git-upload-pack", "git-receive-pack":
		return r, nil
	}
	return bad()
}
