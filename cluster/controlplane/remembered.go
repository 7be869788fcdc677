package controlplane

import (
	"crypto/x509"
	"net/http"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"

	"slipway.dev/cluster/inprocess"
)

// rememberedFor is how long it is taken as known whose certificate one is.
const rememberedFor = time.Minute

// remembered authenticates as another does, but who calls from within this process with the
// same certificate is not verified again each time: that is a signature to check for every
// request. Of all others, and of requests that bring anything else to say who they are of,
// nothing is remembered.
type remembered struct {
	authenticator.Request

	mu    sync.Mutex
	known map[*x509.Certificate]knownAs
}

type knownAs struct {
	answer *authenticator.Response
	until  time.Time
}

// AuthenticateRequest satisfies authenticator.Request.
func (r *remembered) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	if !inprocess.Within(req.Context()) || req.TLS == nil || len(req.TLS.PeerCertificates) != 1 ||
		len(req.Header["Authorization"]) > 0 || len(req.Header["X-Remote-User"]) > 0 {
		return r.Request.AuthenticateRequest(req)
	}
	own, now := req.TLS.PeerCertificates[0], time.Now()
	r.mu.Lock()
	is, ok := r.known[own]
	r.mu.Unlock()
	if ok && now.Before(is.until) {
		return is.answer, true, nil
	}
	answer, ok, err := r.Request.AuthenticateRequest(req)
	if !ok || err != nil {
		return answer, ok, err
	}
	until := now.Add(rememberedFor)
	if own.NotAfter.Before(until) {
		until = own.NotAfter
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for c, k := range r.known {
		if !now.Before(k.until) {
			delete(r.known, c) // it may have been renewed
		}
	}
	if r.known == nil {
		r.known = map[*x509.Certificate]knownAs{}
	}
	r.known[own] = knownAs{answer, until}
	return answer, true, nil
}
