package authz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"slipway.dev/cluster/api/v1alpha1"
)

// Tokens keeps Slipway's own tokens, one Secret each in the system namespace. An
// informer holds them in memory, so that a request asks nobody.
type Tokens struct {
	client   kubernetes.Interface
	factory  informers.SharedInformerFactory
	informer cache.SharedIndexInformer
	// unknown limits how often a token that the informer does not know is looked up.
	unknown *rate.Limiter
	now     func() time.Time

	mu sync.Mutex
	// By id, until the informer has surely seen it: what was made and what was revoked here.
	fresh   map[string]freshToken
	revoked map[string]time.Time
}

type freshToken struct {
	secret *corev1.Secret
	until  time.Time
}

// seenWithin is when the informer has surely heard of what was written.
const seenWithin = time.Minute

// NewTokens needs the right to read and write secrets in the system namespace.
func NewTokens(client kubernetes.Interface) *Tokens {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithNamespace(v1alpha1.SystemNamespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = tokenLabel + "=true" }))
	return &Tokens{
		client: client, factory: factory, informer: factory.Core().V1().Secrets().Informer(),
		unknown: rate.NewLimiter(10, 50), now: time.Now, fresh: map[string]freshToken{}, revoked: map[string]time.Time{},
	}
}

// Start fills the cache and keeps it fresh until ctx ends; it returns when it is full.
func (t *Tokens) Start(ctx context.Context) error {
	t.factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), t.informer.HasSynced) {
		return fmt.Errorf("tokens: %w", context.Cause(ctx))
	}
	return nil
}

// Wait returns when what Start started has ended.
func (t *Tokens) Wait() { t.factory.Shutdown() }

// Authenticate implements Authenticator.
func (t *Tokens) Authenticate(ctx context.Context, token string) (User, error) {
	id, secret, ok := parseToken(token)
	if !ok || t.isRevoked(id) {
		return User{}, ErrUnauthorized
	}
	obj, known, err := t.informer.GetStore().GetByKey(v1alpha1.SystemNamespace + "/" + namePrefix + id)
	if err != nil {
		return User{}, err
	}
	if known {
		if u, err := check(obj.(*corev1.Secret), secret, t.now()); err == nil {
			return u, nil
		}
	}
	if s := t.isFresh(id); s != nil {
		return check(s, secret, t.now())
	}
	// Made or changed elsewhere a moment ago, or wrong: ask, but let nobody make us ask often.
	if !t.unknown.Allow() {
		return User{}, ErrUnauthorized
	}
	s, err := t.client.CoreV1().Secrets(v1alpha1.SystemNamespace).Get(ctx, namePrefix+id, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return User{}, ErrUnauthorized
	}
	if err != nil {
		return User{}, fmt.Errorf("tokens: %w", err)
	}
	return check(s, secret, t.now())
}

// Create makes a token and returns it with its full text, which is kept nowhere.
func (t *Tokens) Create(ctx context.Context, token Token) (Token, string, error) {
	if err := token.validate(t.now()); err != nil {
		return token, "", err
	}
	token.ID, token.Created = randomHex(6), t.now().UTC().Truncate(time.Second)
	secret := randomHex(32)
	obj, err := token.object(digestOf(secret))
	if err != nil {
		return token, "", err
	}
	if _, err := t.client.CoreV1().Secrets(obj.Namespace).Create(ctx, obj, metav1.CreateOptions{FieldManager: "slipway"}); err != nil {
		return token, "", fmt.Errorf("tokens: %w", err)
	}
	t.remember(token.ID, obj)
	return token, formatToken(token.ID, secret), nil
}

// List returns every token, by id. Expired ones are still listed.
func (t *Tokens) List(ctx context.Context) ([]Token, error) {
	list, err := t.client.CoreV1().Secrets(v1alpha1.SystemNamespace).List(ctx, metav1.ListOptions{LabelSelector: tokenLabel + "=true"})
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	var out []Token
	for i := range list.Items {
		if token, _, err := fromObject(&list.Items[i]); err == nil {
			out = append(out, token)
		}
	}
	slices.SortFunc(out, func(a, b Token) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// As returns who a user is with each of their tokens that are good now: for what is done
// later in the name of somebody who showed one of them.
func (t *Tokens) As(user string) []User {
	var out []User
	for _, obj := range t.informer.GetStore().List() {
		s, ok := obj.(*corev1.Secret)
		if !ok {
			continue
		}
		if token, _, err := fromObject(s); err == nil && token.User == user && !token.expired(t.now()) && !t.isRevoked(token.ID) {
			out = append(out, token.user())
		}
	}
	return out
}

// ErrNoToken says that there is no token of that id.
var ErrNoToken = errors.New("no such token")

// Revoke ends a token at once.
func (t *Tokens) Revoke(ctx context.Context, id string) error {
	if !validID(id) {
		return ErrNoToken
	}
	err := t.client.CoreV1().Secrets(v1alpha1.SystemNamespace).Delete(ctx, namePrefix+id, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return ErrNoToken
	}
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked[id] = t.now().Add(seenWithin)
	delete(t.fresh, id)
	return nil
}

// remember a token that was written here, so that it works at once.
func (t *Tokens) remember(id string, s *corev1.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for other, f := range t.fresh {
		if t.now().After(f.until) {
			delete(t.fresh, other)
		}
	}
	t.fresh[id] = freshToken{s, t.now().Add(seenWithin)}
}

func (t *Tokens) isFresh(id string) *corev1.Secret {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.fresh[id]
	if !ok || t.now().After(f.until) {
		return nil
	}
	return f.secret
}

// isRevoked covers the moment between the deletion and the informer's hearing of it.
func (t *Tokens) isRevoked(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.revoked[id]
	if ok && t.now().After(until) {
		delete(t.revoked, id)
	}
	return ok
}
