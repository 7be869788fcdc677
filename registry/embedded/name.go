package embedded

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Kind says whose a repository is.
type Kind int

// The kinds of repository names.
const (
	// Tenant repositories belong to the Kubernetes namespace of their first element.
	Tenant Kind = iota
	// System repositories hold images that Slipway itself brings.
	System
	// Upstream repositories are copies of another registry's.
	Upstream
	// Internal repositories hold artifacts and are never served to a client.
	Internal
)

// Prefixes that no tenant can have. The second is no legal namespace name either.
const (
	SystemPrefix   = "system"
	ArtifactPrefix = "slipway__artifacts"
)

const maxNameLength = 255

var (
	elementRE   = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)
	namespaceRE = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
)

var errNameShort = errors.New("repository name needs a namespace and a name, as default/hello")

// Name is a checked repository name.
type Name struct {
	Kind Kind
	// Owner is the first element: a namespace, SystemPrefix, ArtifactPrefix or an upstream's key.
	Owner string
	// Path is everything after it.
	Path string
}

// String joins the name again.
func (n Name) String() string { return n.Owner + "/" + n.Path }

// ParseName is the one validator of repository names. It accepts exactly what
// distribution accepts, needs at least two elements, and tells the kinds apart:
// a first element with a dot or an underscore cannot be a namespace, so an
// upstream and a tenant can never have the same name.
func ParseName(s string) (Name, error) {
	if len(s) > maxNameLength {
		return Name{}, fmt.Errorf("repository name is longer than %d characters", maxNameLength)
	}
	owner, path, ok := strings.Cut(s, "/")
	if !ok {
		return Name{}, errNameShort
	}
	for element := range strings.SplitSeq(s, "/") {
		if !elementRE.MatchString(element) {
			return Name{}, fmt.Errorf("repository name %q: element %q must be lower-case letters and digits, separated by single '.', '_' or '-'", s, element)
		}
	}
	n := Name{Owner: owner, Path: path}
	switch {
	case owner == ArtifactPrefix:
		n.Kind = Internal
	case owner == SystemPrefix:
		n.Kind = System
	case strings.ContainsAny(owner, "._"):
		n.Kind = Upstream
	case namespaceRE.MatchString(owner):
		n.Kind = Tenant
	default:
		return Name{}, fmt.Errorf("repository name %q: %q is not a namespace name", s, owner)
	}
	return n, nil
}

// upstreamKey is the first path element under which a registry host's copies
// are kept: Docker Hub's other names are one, and a port becomes "_port",
// because a colon is not allowed in repository names.
func upstreamKey(host string) string {
	host = strings.ToLower(host)
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		host = "docker.io"
	}
	return strings.ReplaceAll(host, ":", "_")
}
