package authz

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"slipway.dev/cluster/api/v1alpha1"
)

func started(t *testing.T) (*Tokens, *fake.Clientset) {
	t.Helper()
	client := fake.NewClientset()
	tokens := NewTokens(client)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, tokens.Start(ctx))
	t.Cleanup(func() { cancel(); tokens.Wait() })
	return tokens, client
}

func TestTokens(t *testing.T) {
	tokens, client := started(t)
	token, text, err := tokens.Create(t.Context(), Token{User: "ann", Groups: []string{"slipway:default:developers"}, Namespace: "default", Role: RoleViewer})
	require.NoError(t, err)

	u, err := tokens.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, "ann", u.Name)
	require.Subset(t, u.Groups, []string{"slipway:default:developers", "system:authenticated", scopeNamespace + "default", scopeRole + RoleViewer})

	s, err := client.CoreV1().Secrets(v1alpha1.SystemNamespace).Get(t.Context(), namePrefix+token.ID, metav1.GetOptions{})
	require.NoError(t, err)
	_, secret, _ := parseToken(text)
	require.NotContains(t, s.String(), secret, "only a digest is kept")

	list, err := tokens.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, token, list[0])

	require.NoError(t, tokens.Revoke(t.Context(), token.ID))
	_, err = tokens.Authenticate(t.Context(), text)
	require.ErrorIs(t, err, ErrUnauthorized, "revoked at once")
	require.ErrorIs(t, tokens.Revoke(t.Context(), token.ID), ErrNoToken)
}

func TestWhoAUserIsWithoutAToken(t *testing.T) {
	tokens, _ := started(t)
	now := time.Now()
	require.Empty(t, tokens.As("ann"))
	_, text, err := tokens.Create(t.Context(), Token{User: "ann", Groups: []string{"slipway:default:developers"}, Namespace: "default", Role: RoleDeveloper})
	require.NoError(t, err)
	_, _, err = tokens.Create(t.Context(), Token{User: "ann", Groups: []string{"slipway:shop:viewers"}, Expires: now.Add(time.Hour)})
	require.NoError(t, err)
	_, _, err = tokens.Create(t.Context(), Token{User: "bob"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(tokens.As("ann")) == 2 }, 2*time.Minute, time.Millisecond)
	shown, err := tokens.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.Contains(t, tokens.As("ann"), shown, "the same as with the token, scope and all")
	tokens.now = func() time.Time { return now.Add(2 * time.Hour) }
	require.Equal(t, []User{shown}, tokens.As("ann"), "the other is over")
	id, _, _ := parseToken(text)
	require.NoError(t, tokens.Revoke(t.Context(), id))
	require.Empty(t, tokens.As("ann"), "revoked at once")
}

// Threat 15: forged, expired and malformed tokens get one answer.
func TestBadTokens(t *testing.T) {
	tokens, _ := started(t)
	now := time.Now()
	_, good, err := tokens.Create(t.Context(), Token{User: "ann", Expires: now.Add(time.Hour)})
	require.NoError(t, err)
	id, _, _ := parseToken(good)
	for _, bad := range []string{"", "slw_", "slw_a_b", "slw_" + id + "_" + strings.Repeat("0", 64), good + "0", good[:len(good)-1],
		"slw_../admin_" + strings.Repeat("0", 64), "slw_" + strings.Repeat("a", 500), strings.Repeat("x", 1<<20)} {
		_, err := Union{Slipway: tokens}.Authenticate(t.Context(), bad)
		require.ErrorIs(t, err, ErrUnauthorized, "%.40q", bad)
	}
	_, err = tokens.Authenticate(t.Context(), good)
	require.NoError(t, err)
	tokens.now = func() time.Time { return now.Add(2 * time.Hour) }
	_, err = tokens.Authenticate(t.Context(), good)
	require.ErrorIs(t, err, ErrUnauthorized, "expired")
}

func TestTokensOfKubernetesIdentitiesAreRefused(t *testing.T) {
	tokens, _ := started(t)
	for _, token := range []Token{{}, {User: "system:admin"}, {User: "a", Groups: []string{"system:masters"}}, {User: "a", Expires: time.Now().Add(-time.Second)}} {
		_, _, err := tokens.Create(t.Context(), token)
		require.Error(t, err)
	}
}

// Threat 15, brute force: wrong guesses do not reach the API server without limit.
func TestGuessesAreLimited(t *testing.T) {
	tokens, client := started(t)
	for range 1000 {
		_, err := tokens.Authenticate(t.Context(), formatToken("abc", strings.Repeat("0", 64)))
		require.ErrorIs(t, err, ErrUnauthorized)
	}
	asked := 0
	for _, a := range client.Actions() {
		if a.GetVerb() == "get" {
			asked++
		}
	}
	require.Less(t, asked, 200)
}

// TestFreshTokensInAFlood: a token works from the moment it was made, also before the
// informer knows it and while others guess as fast as they can.
func TestFreshTokensInAFlood(t *testing.T) {
	tokens := NewTokens(fake.NewClientset()) // its informer never starts
	flood := func() {
		for i := range 100 {
			_, err := tokens.Authenticate(t.Context(), formatToken(fmt.Sprint("a", i), strings.Repeat("0", 64)))
			require.ErrorIs(t, err, ErrUnauthorized)
		}
	}
	flood()
	token, text, err := tokens.Create(t.Context(), Token{User: "ann"})
	require.NoError(t, err)
	admin, err := tokens.EnsureAdmin(t.Context(), filepath.Join(t.TempDir(), "admin.token"))
	require.NoError(t, err)
	flood()
	for text, user := range map[string]string{text: "ann", admin: AdminUser} {
		u, err := tokens.Authenticate(t.Context(), text)
		require.NoError(t, err)
		require.Equal(t, user, u.Name)
	}
	_, err = tokens.Authenticate(t.Context(), formatToken(token.ID, strings.Repeat("0", 64)))
	require.ErrorIs(t, err, ErrUnauthorized)
	require.NoError(t, tokens.Revoke(t.Context(), token.ID))
	_, err = tokens.Authenticate(t.Context(), text)
	require.ErrorIs(t, err, ErrUnauthorized)
}

func TestEnsureAdmin(t *testing.T) {
	tokens, client := started(t)
	path := filepath.Join(t.TempDir(), "admin.token")
	text, err := tokens.EnsureAdmin(t.Context(), path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := tokens.EnsureAdmin(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, text, again)
	u, err := tokens.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, AdminUser, u.Name)
	require.Contains(t, u.Groups, AdminGroup)

	// A crash between file and Secret, and a lost file, are both made good.
	require.NoError(t, client.CoreV1().Secrets(v1alpha1.SystemNamespace).Delete(t.Context(), namePrefix+adminID, metav1.DeleteOptions{}))
	again, err = tokens.EnsureAdmin(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, text, again)
	require.NoError(t, os.Remove(path))
	other, err := tokens.EnsureAdmin(t.Context(), path)
	require.NoError(t, err)
	require.NotEqual(t, text, other)
	_, err = tokens.Authenticate(t.Context(), other)
	require.NoError(t, err)
}

func TestAccessReview(t *testing.T) {
	client := fake.NewClientset(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: RoleViewer}, Rules: viewerRole().Rules})
	var asked atomic.Int32
	client.PrependReactor("create", "subjectaccessreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
		asked.Add(1)
		r := a.(k8stesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		r.Status.Allowed = r.Spec.User == "ann"
		return true, r, nil
	})
	access := NewAccessReview(client)
	for name, c := range map[string]struct {
		user User
		a    Attributes
		want bool
	}{
		"RBAC allows":                    {User{Name: "ann"}, Slipway("create", "runs", "default", ""), true},
		"RBAC denies":                    {User{Name: "bob"}, Slipway("get", "runs", "default", "a"), false},
		"nobody":                         {User{}, Slipway("get", "runs", "default", "a"), false},
		"scope: same namespace":          {User{Name: "ann", Groups: []string{scopeNamespace + "default"}}, Slipway("get", "runs", "default", "a"), true},
		"scope: other namespace":         {User{Name: "ann", Groups: []string{scopeNamespace + "default"}}, Slipway("get", "runs", "other", "a"), false},
		"scope: cluster wide":            {User{Name: "ann", Groups: []string{scopeNamespace + "default"}}, Slipway("list", "tokens", "", ""), false},
		"scope: role covers":             {User{Name: "ann", Groups: []string{scopeRole + RoleViewer}}, Slipway("get", "images", "default", "a"), true},
		"scope: role does not":           {User{Name: "ann", Groups: []string{scopeRole + RoleViewer}}, Slipway("create", "images", "default", "a"), false},
		"scope: role is gone":            {User{Name: "ann", Groups: []string{scopeRole + "gone"}}, Slipway("get", "images", "default", "a"), false},
		"scope cannot give what is not ": {User{Name: "bob", Groups: []string{scopeRole + RoleViewer}}, Slipway("get", "images", "default", "a"), false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := access.Allowed(t.Context(), c.user, c.a)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	before := asked.Load()
	for range 100 {
		_, err := access.Allowed(t.Context(), User{Name: "ann"}, Slipway("create", "runs", "default", ""))
		require.NoError(t, err)
	}
	require.Equal(t, before, asked.Load(), "answers are remembered")
}

func TestTokenReview(t *testing.T) {
	client := fake.NewClientset()
	var asked atomic.Int32
	client.PrependReactor("create", "tokenreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
		asked.Add(1)
		r := a.(k8stesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
		switch r.Spec.Token {
		case "good":
			r.Status = authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: r.Spec.Audiences, User: authenticationv1.UserInfo{Username: "system:serviceaccount:default:a"}}
		case "no audience":
			r.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: "x"}}
		case "trouble":
			return true, nil, errors.New("trouble")
		}
		return true, r, nil
	})
	review := NewTokenReview(client, v1alpha1.RegistryHost)
	for range 3 {
		u, err := review.Authenticate(t.Context(), "good")
		require.NoError(t, err)
		require.Equal(t, "system:serviceaccount:default:a", u.Name)
		_, err = review.Authenticate(t.Context(), "forged")
		require.ErrorIs(t, err, ErrUnauthorized)
	}
	require.EqualValues(t, 2, asked.Load(), "good and bad answers are remembered")
	_, err := review.Authenticate(t.Context(), "no audience")
	require.ErrorIs(t, err, ErrUnauthorized)
	_, err = review.Authenticate(t.Context(), "trouble")
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrUnauthorized)
}

// Threat 11: a tenant's manifests cannot give rights, and reach nothing of the cluster.
func TestDeployerCannotEscalate(t *testing.T) {
	rules := deployerRole().Rules
	for _, a := range []Attributes{
		{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "rolebindings"},
		{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "roles"},
		{Verb: "create", Resource: "serviceaccounts", Subresource: "token"},
		{Verb: "impersonate", Resource: "serviceaccounts"},
		{Verb: "create", Resource: "namespaces"},
		{Verb: "create", Resource: "persistentvolumes"},
		{Verb: "update", Resource: "resourcequotas"},
		{Verb: "create", Resource: "pods", Subresource: "exec"},
		{Verb: "create", Group: Group, Resource: "applications"},
	} {
		require.False(t, covers(rules, a), "%+v", a)
	}
	require.True(t, covers(rules, Attributes{Verb: "patch", Group: "apps", Resource: "deployments", Namespace: "default"}))
}

func FuzzParseToken(f *testing.F) {
	f.Add("slw_admin_" + strings.Repeat("0", 64))
	f.Add("slw_../x_" + strings.Repeat("a", 64))
	f.Add("slw__")
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, ok := parseToken(text)
		if ok && (formatToken(id, secret) != text || !validID(id)) {
			t.Fatalf("%q gave %q and %q", text, id, secret)
		}
	})
}
