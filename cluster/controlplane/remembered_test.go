package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"

	"slipway.dev/cluster/inprocess"
)

// TestWhoCallsFromWithinIsRemembered asks again for all others, for those who bring more
// than a certificate, and after a while.
func TestWhoCallsFromWithinIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, fault := 0, error(nil)
		who := &remembered{Request: authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
			asked++
			return &authenticator.Response{User: &user.DefaultInfo{Name: "server"}}, fault == nil, fault
		})}
		long := &x509.Certificate{NotAfter: time.Now().Add(time.Hour)}
		short := &x509.Certificate{NotAfter: time.Now().Add(time.Second)}
		asks := func(c *x509.Certificate, near bool, headers ...string) bool {
			t.Helper()
			before := asked
			handle := func(w http.ResponseWriter, r *http.Request) {
				answer, ok, err := who.AuthenticateRequest(r)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, "server", answer.User.GetName())
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://server/", nil)
			require.NoError(t, err)
			for _, h := range headers {
				req.Header.Set(h, "x")
			}
			if !near {
				req.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
				handle(nil, req)
				return asked > before
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := &inprocess.Server{}
			s.Serve(ctx, http.HandlerFunc(handle))
			res, err := s.Transport(func() (*x509.Certificate, error) { return c, nil }, http.DefaultTransport).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return asked > before
		}
		require.True(t, asks(long, false))
		require.True(t, asks(long, false), "over the network each is verified")
		require.True(t, asks(long, true))
		require.False(t, asks(long, true))
		require.True(t, asks(short, true))
		require.False(t, asks(short, true))
		require.True(t, asks(long, true, "Authorization"))
		require.True(t, asks(long, true, "X-Remote-User"))
		require.True(t, asks(long, false), "the same over the network")
		time.Sleep(time.Second)
		require.True(t, asks(short, true), "it has expired")
		require.False(t, asks(long, true))
		time.Sleep(rememberedFor)
		require.True(t, asks(long, true))
		require.Len(t, who.known, 1)

		fault = errors.New("revoked")
		time.Sleep(rememberedFor)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://server/", nil)
		require.NoError(t, err)
		_, ok, err := who.AuthenticateRequest(req)
		require.ErrorIs(t, err, fault)
		require.False(t, ok)
	})
}
