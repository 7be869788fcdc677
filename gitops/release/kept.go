package release

import (
	"context"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

const (
	setSecret = v1alpha1.LabelApplication + "-set" // the type of a Secret with healthy sets
	maxKept   = 900 << 10                          // what a Secret can hold
)

// Names of the Secrets that hold sets, after the application's: the second one is needed
// where the sets are too large for one Secret.
const (
	lastHealthy   = "-last-healthy"
	healthyBefore = "-healthy-before"
)

// Keep holds the last healthy set in the cluster, and the one before it, so that going
// back to either needs neither registry nor forge. Secrets are encrypted at rest by the
// apiserver.
func (s *Store) Keep(ctx context.Context, app *v1alpha1.Application, n int64, set *render.Set) error {
	text, err := set.Stored()
	if err != nil {
		return err
	}
	data, err := pack(text)
	if err != nil {
		return err
	}
	if len(data) > maxKept {
		return fmt.Errorf("set of %d KiB does not fit into a Secret", len(data)>>10)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Name + lastHealthy}}
	exists := true
	if err := s.Reader.Get(ctx, client.ObjectKeyFromObject(secret), secret); apierrors.IsNotFound(err) {
		exists = false
	} else if err != nil {
		return err
	}
	if exists && secret.Type != setSecret {
		return fmt.Errorf("secret %s is not ours", secret.Name)
	}
	number := strconv.FormatInt(n, 10)
	if exists && string(secret.Data["digest"]) == set.Digest() && string(secret.Data["release"]) == number {
		return nil
	}
	before := keptOf(secret, "")
	if !exists || string(before.release) == number {
		before = keptOf(secret, beforeKeys) // the same release again: the one before stays
	}
	secret.Type, secret.Data = setSecret, map[string][]byte{}
	kept{release: []byte(number), digest: []byte(set.Digest()), set: data}.into(secret.Data, "")
	switch {
	case before.set == nil:
	case len(data)+len(before.set) <= maxKept:
		before.into(secret.Data, beforeKeys)
	default:
		if err := s.keepBefore(ctx, app, before); err != nil {
			return err
		}
	}
	if err := controllerutil.SetControllerReference(app, secret, s.Client.Scheme()); err != nil {
		return err
	}
	if exists {
		return s.Client.Update(ctx, secret)
	}
	return s.Client.Create(ctx, secret)
}

// kept is a set in a Secret.
type kept struct{ release, digest, set []byte }

// beforeKeys begin the keys of the set before the last one, in the Secret of both.
const beforeKeys = "before-"

func keptOf(secret *corev1.Secret, prefix string) kept {
	return kept{secret.Data[prefix+"release"], secret.Data[prefix+"digest"], secret.Data[prefix+"set"]}
}

func (k kept) into(data map[string][]byte, prefix string) {
	data[prefix+"release"], data[prefix+"digest"], data[prefix+"set"] = k.release, k.digest, k.set
}

// keepBefore holds the set that was replaced in a Secret of its own, where one cannot
// hold both.
func (s *Store) keepBefore(ctx context.Context, app *v1alpha1.Application, last kept) error {
	before := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Name + healthyBefore}}
	write := s.Client.Update
	err := s.Reader.Get(ctx, client.ObjectKeyFromObject(before), before)
	switch {
	case apierrors.IsNotFound(err):
		write = func(ctx context.Context, o client.Object, _ ...client.UpdateOption) error {
			return s.Client.Create(ctx, o)
		}
	case err != nil:
		return err
	case before.Type != setSecret:
		return fmt.Errorf("secret %s is not ours", before.Name)
	}
	before.Type, before.Data = setSecret, map[string][]byte{}
	last.into(before.Data, "")
	if err := controllerutil.SetControllerReference(app, before, s.Client.Scheme()); err != nil {
		return err
	}
	return write(ctx, before)
}

// Kept reads the set of a release from the cluster, where it is one of those that Keep holds.
func (s *Store) Kept(ctx context.Context, app *v1alpha1.Application, digest string) (*render.Set, error) {
	for _, name := range []string{lastHealthy, healthyBefore} {
		secret := &corev1.Secret{}
		err := s.Reader.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: app.Name + name}, secret)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		if err != nil || secret.Type != setSecret {
			continue
		}
		for _, k := range []kept{keptOf(secret, ""), keptOf(secret, beforeKeys)} {
			if k.set == nil || string(k.digest) != digest {
				continue
			}
			set, err := unpack(k.set, digest)
			if err == nil {
				s.hide(app.Namespace, app.Name, set)
			}
			return set, err
		}
	}
	return nil, fmt.Errorf("set %s is not kept in the cluster", digest)
}

// LastHealthy reads what Keep held for release n.
func (s *Store) LastHealthy(ctx context.Context, app *v1alpha1.Application, n int64) (*render.Set, error) {
	secret := &corev1.Secret{}
	if err := s.Reader.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: app.Name + lastHealthy}, secret); err != nil {
		return nil, err
	}
	if secret.Type != setSecret || string(secret.Data["release"]) != strconv.FormatInt(n, 10) {
		return nil, fmt.Errorf("secret %s holds release %s, not %d", secret.Name, secret.Data["release"], n)
	}
	set, err := unpack(secret.Data["set"], string(secret.Data["digest"]))
	if err == nil {
		s.hide(app.Namespace, app.Name, set)
	}
	return set, err
}
