package apply

import (
	"context"
	"errors"
	"net"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// unreached is an error on the way to another cluster.
type unreached struct{ error }

func (u *unreached) Unwrap() error { return u.error }

// Lost marks an error as one on the way to another cluster.
func Lost(err error) error { return &unreached{err} }

// Unreached says whether an error is of the way to another cluster and not of what was to be
// written there: its kubeconfig is missing or of no use, nobody answers, or who answers does
// not know the credentials or cannot serve. It is over when that is, and trying again helps.
func Unreached(err error) bool {
	if lost := (*unreached)(nil); errors.As(err, &lost) {
		return true
	}
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		return false
	}
	var network net.Error
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := int(status.Status().Code)
		return code == http.StatusUnauthorized || code == http.StatusTooManyRequests || code >= http.StatusInternalServerError
	}
	return errors.As(err, &network)
}

// Reach asks whether the other cluster of a target answers, to the credentials that there are.
func (a *Applier) Reach(ctx context.Context, t Target) error {
	if t.Cluster == nil {
		return nil
	}
	p, err := a.elsewhere(ctx, t)
	if err != nil {
		return err
	}
	err = p.kube.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Error()
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return nil // an answer
	}
	return err
}
