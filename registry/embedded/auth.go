package embedded

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/distribution/distribution/v3/registry/auth/token"
)

// User is a caller whose credentials were verified.
type User struct {
	// Name as Kubernetes knows it, never empty.
	Name string
	// Groups the user is in.
	Groups []string
	// Extra carries what the authenticator wants the authorizer to see (scopes of a token).
	Extra map[string][]string
}

// ErrUnauthenticated is what an Authenticator returns for credentials that are
// wrong, expired or unknown. Any other error means that it could not tell.
var ErrUnauthenticated = errors.New("credentials are not valid")

// Authenticator verifies credentials. The username may be empty (a bearer
// token) or anything (tokens are given as passwords); a Kubernetes service
// account's token, with audience registry.slipway.internal, is a password too.
// It must compare secrets in constant time.
type Authenticator interface {
	Authenticate(ctx context.Context, username, password string) (User, error)
}

// Authorizer answers whether a user may do something to an image repository:
// verb is "get" (pull), "create" (push), "delete", or "list" (the catalogue,
// with empty namespace and name); resource is always "images"; name is the path
// after the namespace. It is asked once a token, not once a blob.
type Authorizer interface {
	Allowed(ctx context.Context, user User, verb, namespace, resource, name string) (bool, error)
}

var verbOf = map[string]string{"pull": "get", "push": "create", "delete": "delete"}

// grant answers which of the requested scopes the user has. A scope that is not
// allowed, not understood or not a legal name is left out, and the registry then
// refuses the request that needed it.
func (r *Registry) grant(ctx context.Context, user User, scopes []string) ([]*token.ResourceActions, error) {
	granted := []*token.ResourceActions{}
	for _, scope := range scopes {
		kind, rest, ok := strings.Cut(scope, ":")
		cut := strings.LastIndexByte(rest, ':')
		if !ok || cut < 0 {
			continue
		}
		name, wanted := rest[:cut], strings.Split(rest[cut+1:], ",")
		var actions []string
		for _, action := range wanted {
			if slices.Contains(actions, action) {
				continue
			}
			ok, err := r.allowed(ctx, user, kind, name, action)
			if err != nil {
				return nil, err
			}
			if ok {
				actions = append(actions, action)
			}
		}
		if len(actions) > 0 {
			granted = append(granted, &token.ResourceActions{Type: kind, Name: name, Actions: actions})
		}
	}
	return granted, nil
}

func (r *Registry) allowed(ctx context.Context, user User, kind, name, action string) (bool, error) {
	if kind == "registry" && name == "catalog" && action == "*" {
		return r.options.Authorizer.Allowed(ctx, user, "list", "", "images", "")
	}
	verb, known := verbOf[action]
	if kind != "repository" || !known {
		return false, nil
	}
	n, err := ParseName(name)
	if err != nil {
		return false, nil
	}
	switch n.Kind {
	case Tenant:
		return r.options.Authorizer.Allowed(ctx, user, verb, n.Owner, "images", n.Path)
	case System, Upstream:
		// Anyone who is somebody may pull; only the server itself writes.
		return action == "pull", nil
	default:
		return false, nil
	}
}
