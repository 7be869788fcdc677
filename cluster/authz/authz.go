// Package authz owns who is who and who may what at Slipway's own doors: tokens of
// Slipway and of Kubernetes service accounts, and Kubernetes RBAC asked by
// SubjectAccessReview behind a short cache.
//
// It never decides anything itself beyond narrowing: a token's scope can only take
// rights away from what RBAC gives its user. It keeps no secret of a token, only a
// digest. Start at Authenticator and Authorizer; tokens.go holds Slipway's tokens,
// review.go the two reviews, roles.go the roles.
package authz

import (
	"context"
	"errors"
	"strings"
)

// ErrUnauthorized is what is said of any token that is not good, whatever the reason.
var ErrUnauthorized = errors.New("unauthorized: the token is not valid")

// User is who a request comes from.
type User struct {
	Name   string
	Groups []string
	// UID and Extra as Kubernetes has them, for service accounts.
	UID   string
	Extra map[string][]string
}

// Attributes are what someone wants to do. Group empty means the core group; with
// Path it is a request for a path and not for a resource.
type Attributes struct {
	Verb, Group, Resource, Subresource, Namespace, Name string
	Path                                                string
}

// Slipway fills Group for a resource of slipway.dev.
func Slipway(verb, resource, namespace, name string) Attributes {
	return Attributes{Verb: verb, Group: Group, Resource: resource, Namespace: namespace, Name: name}
}

// Authenticator says whose token it is: ErrUnauthorized for a bad one, any other error
// when it could not tell.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (User, error)
}

// Authorizer says whether a user may do something; an error means it could not tell.
type Authorizer interface {
	Allowed(ctx context.Context, u User, a Attributes) (bool, error)
}

// Union asks the first Authenticator that takes tokens of that form.
type Union struct {
	// Slipway takes tokens that begin with TokenPrefix.
	Slipway Authenticator
	// Kubernetes takes all others.
	Kubernetes Authenticator
}

// Authenticate implements Authenticator.
func (u Union) Authenticate(ctx context.Context, token string) (User, error) {
	if strings.HasPrefix(token, TokenPrefix) {
		return u.Slipway.Authenticate(ctx, token)
	}
	if token == "" || len(token) > maxToken || u.Kubernetes == nil {
		return User{}, ErrUnauthorized
	}
	return u.Kubernetes.Authenticate(ctx, token)
}

// maxToken is longer than any token that we or Kubernetes give out.
const maxToken = 8 << 10

var (
	_ Authenticator = Union{}
	_ Authenticator = (*Tokens)(nil)
	_ Authenticator = (*TokenReview)(nil)
	_ Authorizer    = (*AccessReview)(nil)
)
