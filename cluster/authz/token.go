package authz

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

// TokenPrefix begins every token of Slipway: slw_<id>_<secret>.
const TokenPrefix = "slw_"

// Token is what is known of a token. Its secret is shown once, by Create.
type Token struct {
	ID     string
	User   string
	Groups []string
	// Namespace and Role narrow the token to a namespace and to what a ClusterRole allows.
	Namespace, Role string
	// Expires is zero for a token without end.
	Expires time.Time
	Created time.Time
	// Description says what it is for.
	Description string
}

const (
	secretType  = "slipway.dev/token"
	tokenLabel  = "slipway.dev/token"
	namePrefix  = "slipway-token-"
	keyDigest   = "digest"
	keyMetadata = "token"
)

// parseToken splits a token; what it returns is safe as part of an object's name.
func parseToken(token string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(token, TokenPrefix)
	if !ok || len(rest) > 128 {
		return "", "", false
	}
	id, secret, ok = strings.Cut(rest, "_")
	if !ok || !validID(id) || len(secret) != 64 {
		return "", "", false
	}
	return id, secret, true
}

func validID(id string) bool {
	return id != "" && len(id) <= 32 && !strings.ContainsFunc(id, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

func formatToken(id, secret string) string { return TokenPrefix + id + "_" + secret }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// digestOf a secret of 256 random bits needs no slow hash.
func digestOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func (t Token) validate(now time.Time) error {
	switch {
	case t.User == "":
		return errors.New("token: a user is needed")
	case strings.HasPrefix(t.User, "system:") || slices.ContainsFunc(t.Groups, func(g string) bool { return strings.HasPrefix(g, "system:") }):
		return errors.New("token: users and groups that begin with system: belong to Kubernetes")
	case !t.Expires.IsZero() && t.Expires.Before(now):
		return errors.New("token: its end is in the past")
	}
	return nil
}

// object is the Secret in which a token is kept.
func (t Token) object(digest []byte) (*corev1.Secret, error) {
	data, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: namePrefix + t.ID, Labels: map[string]string{tokenLabel: "true"}},
		Type:       secretType,
		Data:       map[string][]byte{keyDigest: digest, keyMetadata: data},
	}, nil
}

func fromObject(s *corev1.Secret) (Token, []byte, error) {
	var t Token
	if err := json.Unmarshal(s.Data[keyMetadata], &t); err != nil {
		return t, nil, fmt.Errorf("secret %s is not a token: %w", s.Name, err)
	}
	digest := s.Data[keyDigest]
	if s.Type != secretType || namePrefix+t.ID != s.Name || len(digest) != sha256.Size {
		return t, nil, fmt.Errorf("secret %s is not a token", s.Name)
	}
	return t, digest, nil
}

// check compares in constant time and says whose token it is.
func check(s *corev1.Secret, secret string, now time.Time) (User, error) {
	t, digest, err := fromObject(s)
	if err != nil || subtle.ConstantTimeCompare(digest, digestOf(secret)) != 1 {
		return User{}, ErrUnauthorized
	}
	if t.expired(now) {
		return User{}, ErrUnauthorized
	}
	return t.user(), nil
}

func (t Token) expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// user that the token stands for, narrowed as it is.
func (t Token) user() User {
	groups := append(slices.Clone(t.Groups), "system:authenticated")
	if t.Namespace != "" {
		groups = append(groups, scopeNamespace+t.Namespace)
	}
	if t.Role != "" {
		groups = append(groups, scopeRole+t.Role)
	}
	return User{Name: t.User, Groups: groups}
}
