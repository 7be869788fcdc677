package chart

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/outside"
)

// A chart repository and a registry may have certificates of an authority of one's own,
// which is trusted for the host of its Secret only.
func TestAuthorityOfOnesOwn(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/index.yaml" {
			_, _ = w.Write([]byte("entries: {}\n"))
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	srv.StartTLS()
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "https://")
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	c := &Client{Dir: t.TempDir(), Guard: outside.Guard{Private: true}, Index: inProcess{}}
	for _, repository := range []string{srv.URL, "oci://" + host + "/charts"} {
		ref := Ref{Namespace: "default", Repository: repository, Chart: "shop", Version: "1.0.0"}
		for name, cred := range map[string]*Credentials{"none": nil, "no authority": {Host: host}, "of another host": {Host: "other.example", Roots: roots}} {
			ref.Credentials = cred
			_, err = c.Resolve(t.Context(), ref)
			require.ErrorContains(t, err, "unknown authority; if that is one of your own, put it into the key ca.crt", name)
			require.Equal(t, 1, strings.Count(err.Error(), host), "the address is said once: %v", err)
		}
		ref.Credentials = &Credentials{Host: host, Roots: roots}
		_, err = c.Resolve(t.Context(), ref)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "authority", "it gets an answer: there is no such chart")
	}
}
