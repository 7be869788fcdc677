package authz

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	cacheSize   = 8192
	allowedTTL  = 10 * time.Second
	deniedTTL   = 5 * time.Second
	reviewedTTL = 10 * time.Second
	roleTTL     = 30 * time.Second
)

// AccessReview asks Kubernetes RBAC.
type AccessReview struct {
	client  kubernetes.Interface
	answers *memo[bool]
	roles   *memo[[]rbacv1.PolicyRule]
}

// NewAccessReview needs the right to create subjectaccessreviews and to get clusterroles.
func NewAccessReview(client kubernetes.Interface) *AccessReview {
	return &AccessReview{client, newMemo[bool](cacheSize), newMemo[[]rbacv1.PolicyRule](64)}
}

// Allowed implements Authorizer. A change of RBAC is seen after ten seconds at most.
func (r *AccessReview) Allowed(ctx context.Context, u User, a Attributes) (bool, error) {
	if u.Name == "" {
		return false, nil
	}
	namespaces, roles := scopeOf(u)
	if !within(a, namespaces) {
		return false, nil
	}
	for _, role := range roles {
		rules, err := r.rules(ctx, role)
		if err != nil || !covers(rules, a) {
			return false, err
		}
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: u.Name, Groups: u.Groups, UID: u.UID}}
	if a.Path != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: a.Verb, Path: a.Path}
	} else {
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: a.Verb, Group: a.Group, Resource: a.Resource, Subresource: a.Subresource, Namespace: a.Namespace, Name: a.Name,
		}
	}
	if len(u.Extra) > 0 {
		review.Spec.Extra = map[string]authorizationv1.ExtraValue{}
		for k, v := range u.Extra {
			review.Spec.Extra[k] = v
		}
	}
	key, err := json.Marshal(review.Spec)
	if err != nil {
		return false, err
	}
	return r.answers.get(ctx, string(key), func(ctx context.Context) (bool, time.Duration, error) {
		done, err := r.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return false, 0, fmt.Errorf("ask for access: %w", err)
		}
		if done.Status.Allowed && !done.Status.Denied {
			return true, allowedTTL, nil
		}
		return false, deniedTTL, nil
	})
}

// rules of a cluster role; a role that is gone allows nothing.
func (r *AccessReview) rules(ctx context.Context, role string) ([]rbacv1.PolicyRule, error) {
	return r.roles.get(ctx, role, func(ctx context.Context) ([]rbacv1.PolicyRule, time.Duration, error) {
		cr, err := r.client.RbacV1().ClusterRoles().Get(ctx, role, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil, deniedTTL, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("cluster role %s: %w", role, err)
		}
		return cr.Rules, roleTTL, nil
	})
}

// TokenReview asks Kubernetes whose token it is, for one audience.
type TokenReview struct {
	client   kubernetes.Interface
	audience string
	answers  *memo[*User]
}

// NewTokenReview accepts tokens for that audience only, such as v1alpha1.RegistryHost.
func NewTokenReview(client kubernetes.Interface, audience string) *TokenReview {
	return &TokenReview{client, audience, newMemo[*User](cacheSize)}
}

// Authenticate implements Authenticator. A revoked token is known for ten seconds more.
func (t *TokenReview) Authenticate(ctx context.Context, token string) (User, error) {
	if token == "" || len(token) > maxToken {
		return User{}, ErrUnauthorized
	}
	sum := sha256.Sum256([]byte(token))
	user, err := t.answers.get(ctx, string(sum[:]), func(ctx context.Context) (*User, time.Duration, error) {
		return t.ask(ctx, token)
	})
	if err != nil {
		return User{}, err
	}
	if user == nil {
		return User{}, ErrUnauthorized
	}
	return *user, nil
}

func (t *TokenReview) ask(ctx context.Context, token string) (*User, time.Duration, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{t.audience}}}
	done, err := t.client.AuthenticationV1().TokenReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return nil, 0, fmt.Errorf("ask whose token it is: %w", err)
	}
	// A server that does not know of audiences leaves the list empty: not good enough.
	if !done.Status.Authenticated || !slices.Contains(done.Status.Audiences, t.audience) {
		return nil, deniedTTL, nil
	}
	u := done.Status.User
	user := &User{Name: u.Username, Groups: u.Groups, UID: u.UID, Extra: map[string][]string{}}
	for k, v := range u.Extra {
		user.Extra[k] = v
	}
	return user, reviewedTTL, nil
}
