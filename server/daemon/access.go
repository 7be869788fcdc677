package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/atomicfile"
	"slipway.dev/cluster/authz"
	"slipway.dev/registry/embedded"
	"slipway.dev/server/api"
	"slipway.dev/server/front"
)

// adminUser is whom the login link of the start is for.
var adminUser = api.User{Name: authz.AdminUser, Groups: []string{authz.AdminGroup}}

// access answers who and whether for every part, each in the words of that part.
type access struct {
	tokens *authz.Tokens
	pods   authz.Authenticator // service accounts' tokens for the registry
	rbac   authz.Authorizer
}

// Authenticate satisfies front.Authenticator: Slipway's own tokens.
func (a *access) Authenticate(ctx context.Context, token string) (api.User, error) {
	u, err := a.tokens.Authenticate(ctx, token)
	if errors.Is(err, authz.ErrUnauthorized) {
		return api.User{}, front.ErrUnauthorized
	}
	return api.User{Name: u.Name, Groups: u.Groups}, err
}

// Allowed satisfies api.Authorizer.
func (a *access) Allowed(ctx context.Context, u api.User, verb, resource, namespace, name string) (bool, error) {
	return a.rbac.Allowed(ctx, authz.User{Name: u.Name, Groups: u.Groups}, authz.Slipway(verb, resource, namespace, name))
}

// mayStart says whether a user could start runs in a namespace now, with one of their tokens.
func (a *access) mayStart(ctx context.Context, namespace, name string) (bool, error) {
	for _, u := range append(a.tokens.As(name), authz.User{Name: name}) {
		if ok, err := a.rbac.Allowed(ctx, u, authz.Slipway("create", "runs", namespace, "")); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// guarded lets those through who may do verb on a resource of the whole cluster.
func (a *access) guarded(verb, resource string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, _ := api.UserFrom(r.Context())
		ok, err := a.Allowed(r.Context(), u, verb, resource, "", "")
		if err != nil || !ok {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// git is the authorisation of gitops/git.
func (a *access) git(ctx context.Context, u user.Info, verb, ns, repo string) (bool, error) {
	return a.Allowed(ctx, api.User{Name: u.GetName(), Groups: u.GetGroups()}, verb, "repositories", ns, repo)
}

// registryAccess is access in the registry's words: a password is a token of
// Slipway's or one of a pod's service account.
type registryAccess struct{ *access }

func (a registryAccess) Authenticate(ctx context.Context, _, password string) (embedded.User, error) {
	u, err := authz.Union{Slipway: a.tokens, Kubernetes: a.pods}.Authenticate(ctx, password)
	if errors.Is(err, authz.ErrUnauthorized) {
		err = embedded.ErrUnauthenticated
	}
	return embedded.User{Name: u.Name, Groups: u.Groups, Extra: u.Extra}, err
}

func (a registryAccess) Allowed(ctx context.Context, u embedded.User, verb, namespace, resource, name string) (bool, error) {
	return a.rbac.Allowed(ctx, authz.User{Name: u.Name, Groups: u.Groups, Extra: u.Extra}, authz.Slipway(verb, resource, namespace, name))
}

// tokenFile makes sure that file holds a token of t that works.
func (a *access) tokenFile(ctx context.Context, file string, t authz.Token) error {
	if b, err := os.ReadFile(file); err == nil {
		if _, err := a.tokens.Authenticate(ctx, strings.TrimSpace(string(b))); err == nil {
			return nil
		}
	}
	_, text, err := a.tokens.Create(ctx, t)
	if err != nil {
		return fmt.Errorf("token for %s: %w", t.Description, err)
	}
	return atomicfile.Write(file, []byte(text+"\n"), 0o600)
}

// buildLife is how long a build may pull and push.
const buildLife = 2 * time.Hour

// buildToken lends the rights on a tenant's images for one build.
func (a *access) buildToken(ctx context.Context, namespace string) (token string, revoke func(), err error) {
	t, token, err := a.tokens.Create(ctx, authz.Token{
		User: "slipway:build", Groups: []string{authz.TenantGroup(namespace, "developers")}, Namespace: namespace,
		Role: authz.RoleDeveloper, Expires: time.Now().Add(buildLife), Description: "image build",
	})
	return token, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = a.tokens.Revoke(ctx, t.ID) // it expires anyway
	}, err
}

// tokenAdmin is the token store in the API's words.
type tokenAdmin struct{ *authz.Tokens }

func (t tokenAdmin) List(ctx context.Context) ([]api.Token, error) {
	all, err := t.Tokens.List(ctx)
	out := make([]api.Token, 0, len(all))
	for _, k := range all {
		out = append(out, present(k))
	}
	return out, err
}

func (t tokenAdmin) Create(ctx context.Context, k api.Token) (api.Token, error) {
	group, ok := map[string]string{authz.RoleViewer: "viewers", authz.RoleDeveloper: "developers", authz.RoleMaintainer: "maintainers"}[k.Role]
	if !ok || k.Namespace == "" {
		return k, &api.Error{Status: 400, Message: fmt.Sprintf("role %q: not one that a token can have", k.Role), Hint: "give a namespace, and role " + authz.RoleViewer + ", " + authz.RoleDeveloper + " or " + authz.RoleMaintainer}
	}
	n := authz.Token{User: k.User, Groups: append(k.Groups, authz.TenantGroup(k.Namespace, group)), Namespace: k.Namespace, Role: k.Role}
	if k.Expires != nil {
		n.Expires = *k.Expires
	}
	made, text, err := t.Tokens.Create(ctx, n)
	if err != nil {
		return k, &api.Error{Status: 400, Message: err.Error()}
	}
	out := present(made)
	out.Secret = text
	return out, nil
}

func (t tokenAdmin) Revoke(ctx context.Context, id string) error {
	err := t.Tokens.Revoke(ctx, id)
	if errors.Is(err, authz.ErrNoToken) {
		return &api.Error{Status: 404, Message: fmt.Sprintf("token %s: not found", id), Hint: "`slipway token list` shows the IDs"}
	}
	return err
}

func present(k authz.Token) api.Token {
	t := api.Token{ID: k.ID, User: k.User, Groups: k.Groups, Namespace: k.Namespace, Role: k.Role}
	if !k.Expires.IsZero() {
		t.Expires = &k.Expires
	}
	return t
}

// tenants are the namespaces of tenants, in the order of their names.
func (s *services) tenants(ctx context.Context) ([]string, error) {
	list, err := s.kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: slipway.LabelTenant + "=true"})
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return names, nil
}
