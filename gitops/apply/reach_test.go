package apply

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestUnreached(t *testing.T) {
	things := schema.GroupResource{Resource: "things"}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("something else"), false},
		{refuse("not allowed"), false},
		{fmt.Errorf("abroad: %w", Lost(refuse("Secret is missing"))), true},
		{fmt.Errorf("get: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), true},
		{apierrors.NewUnauthorized("token expired"), true},
		{apierrors.NewServiceUnavailable("starts"), true},
		{apierrors.NewTooManyRequests("later", 1), true},
		{apierrors.NewGenericServerResponse(502, "get", things, "x", "", 0, false), true},
		{apierrors.NewForbidden(things, "x", nil), false},
		{apierrors.NewConflict(things, "x", nil), false},
		{&Waiting{Message: "namespace goes"}, false},
	} {
		require.Equal(t, c.want, Unreached(c.err), "%v", c.err)
	}
}

// TestReach asks a real server through a kubeconfig that is broken, refused and right in turn.
func TestReach(t *testing.T) {
	code := http.StatusOK
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	text := func(token string) string {
		return strings.NewReplacer("SERVER", server.URL+", certificate-authority-data: "+authority, "USER", "token: "+token).Replace(kubeconfig)
	}
	reader := fake.NewClientBuilder().WithObjects(kubeconfigSecret("")).Build()
	a := &Applier{reader: reader, places: map[string]*place{}, versions: map[string]string{}, dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return outward{conn}, err
	}}
	target := Target{Namespace: "shop", Cluster: &v1alpha1.ClusterReference{KubeconfigSecret: "far"}}
	reach := func() error { return a.Reach(t.Context(), target) }
	put := func(text string) {
		have := &corev1.Secret{}
		require.NoError(t, reader.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "far"}, have))
		have.Data = map[string][]byte{"kubeconfig": []byte(text)}
		require.NoError(t, reader.Update(t.Context(), have))
	}
	require.True(t, Unreached(reach()), "empty")
	put(text("wrong"))
	require.True(t, Unreached(reach()), "not known there")
	put(text("right"))
	require.NoError(t, reach())
	code = http.StatusForbidden
	require.NoError(t, reach(), "an answer")
	code = http.StatusServiceUnavailable
	require.True(t, Unreached(reach()))
	server.Close()
	require.True(t, Unreached(reach()), "nobody there")
	require.NoError(t, a.Reach(t.Context(), Target{Namespace: "shop"}), "at home")
}
