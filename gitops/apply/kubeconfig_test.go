package apply

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: SERVER}}]
users: [{name: u, user: {USER}}]
`

func kubeconfigSecret(text string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "far"}, Data: map[string][]byte{"kubeconfig": []byte(text)}}
}

func TestKubeconfigsThatAreRefused(t *testing.T) {
	good := strings.NewReplacer("SERVER", "https://far.example:6443", "USER", "token: planted-value").Replace(kubeconfig)
	config, err := Kubeconfig(kubeconfigSecret(good), nil)
	require.NoError(t, err)
	require.Equal(t, "https://far.example:6443", config.Host)
	require.Equal(t, "planted-value", config.BearerToken)

	cluster := func(more string) string {
		return strings.Replace(good, "server: https://far.example:6443", "server: https://far.example:6443, "+more, 1)
	}
	user := func(more string) string { return strings.Replace(good, "token: planted-value", more, 1) }
	for _, c := range []struct{ name, text, want string }{
		{"exec plugin", user("exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, interactiveMode: Never}"), "exec plugins are not run"},
		{"auth provider", user("auth-provider: {name: gcp}"), "auth-provider plugins are not run"},
		{"token file", user("tokenFile: /var/run/secrets/token"), "it names a file"},
		{"key file", user("client-key: /root/.ssh/id_rsa"), "it names a file"},
		{"authority file", cluster("certificate-authority: /etc/passwd"), "it names a file"},
		{"no verification", cluster("insecure-skip-tls-verify: true"), "insecure-skip-tls-verify is not followed"},
		{"proxy", cluster("proxy-url: http://inner.example"), "proxy-url is not followed"},
		{"somebody else", user("token: planted-value, as: admin"), "as (impersonation) is not followed"},
		{"plain http", strings.Replace(good, "https://", "http://", 1), "server must be an https:// address"},
		{"credentials in the address", strings.Replace(good, "https://", "https://a:b@", 1), "server must be an https:// address"},
		{"a path", strings.Replace(good, "https://far.example:6443", "/etc/passwd", 1), "server must be an https:// address"},
		{"no context", strings.Replace(good, "current-context: c", "current-context: d", 1), `current-context "d" is not one of its contexts`},
		{"not YAML", "planted-value: [", "cannot be read"},
		{"bad certificate", cluster("certificate-authority-data: cGxhbnRlZA=="), "its certificates cannot be read"},
		{"huge", good + strings.Repeat("#", maxKubeconfig), "at most 256 are read"},
		{"empty", "", "missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Kubeconfig(kubeconfigSecret(c.text), nil)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "planted-value")
			var refusal *Refusal
			require.ErrorAs(t, err, &refusal)
		})
	}
}

func FuzzKubeconfig(f *testing.F) {
	f.Add([]byte(kubeconfig))
	f.Add([]byte(strings.NewReplacer("SERVER", "https://a", "USER", "token: x").Replace(kubeconfig)))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := Kubeconfig(kubeconfigSecret(string(data)), nil)
		if err == nil && (config.Insecure || config.CAFile != "" || config.CertFile != "" || config.KeyFile != "" || config.BearerTokenFile != "" ||
			config.ExecProvider != nil || config.AuthProvider != nil || !strings.HasPrefix(config.Host, "https://")) {
			t.Fatalf("%q gives %v", data, config)
		}
	})
}

// outward makes a connection to this machine look as if it went elsewhere.
type outward struct{ net.Conn }

func (outward) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 6443} }

func TestCredentialsStayWithTheirHost(t *testing.T) {
	var stolen string
	thief := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen = r.Header.Get("Authorization") }))
	defer thief.Close()
	server := httptest.NewTLSServer(http.RedirectHandler(thief.URL, http.StatusFound))
	defer server.Close()
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	text := strings.NewReplacer("SERVER", server.URL+", certificate-authority-data: "+authority, "USER", "token: planted-value").Replace(kubeconfig)
	open := func(dial Dial) error {
		config, err := Kubeconfig(kubeconfigSecret(text), dial)
		require.NoError(t, err)
		hc, err := httpClient(config)
		require.NoError(t, err)
		response, err := hc.Get(server.URL)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	direct := (&net.Dialer{}).DialContext
	require.ErrorContains(t, open(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := direct(ctx, network, address)
		return outward{conn}, err
	}), "is not followed")
	require.Empty(t, stolen)
	require.ErrorContains(t, open(direct), "is this machine: address not allowed")
	require.ErrorContains(t, open(nil), "other clusters are not configured")
}

func TestAClusterThatDoesNotAnswerIsNotWaitedForEveryTime(t *testing.T) {
	dialled := 0
	a, c := setup(t, kubeconfigSecret(strings.NewReplacer("SERVER", "https://far.example:6443", "USER", "token: planted-value").Replace(kubeconfig)))
	a.dial = func(context.Context, string, string) (net.Conn, error) {
		dialled++
		return nil, &net.OpError{Op: "dial", Err: errors.New("no route to host")}
	}
	target := Target{Namespace: "shop", Application: "web", Cluster: &v1alpha1.ClusterReference{KubeconfigSecret: "far"}}
	refs := []v1alpha1.ObjectReference{{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "c"}}
	_, _, err := a.Health(t.Context(), target, refs)
	require.ErrorContains(t, err, "no route to host")
	once := dialled
	require.Positive(t, once)
	for range 5 {
		_, _, err = a.Health(t.Context(), target, refs)
		require.ErrorContains(t, err, "cluster https://far.example:6443 does not answer")
	}
	require.Equal(t, once, dialled)
	p := a.places["\x00shop/far/"]
	p.away.now = func() time.Time { return time.Now().Add(time.Hour) }
	_, _, err = a.Health(t.Context(), target, refs)
	require.ErrorContains(t, err, "no route to host")
	require.Greater(t, dialled, once)

	// Another kubeconfig is another place.
	secret := &corev1.Secret{}
	require.NoError(t, c.Get(t.Context(), key("far"), secret))
	secret.Data["kubeconfig"] = []byte(strings.NewReplacer("SERVER", "https://near.example", "USER", "token: x").Replace(kubeconfig))
	require.NoError(t, c.Update(t.Context(), secret))
	_, _, err = a.Health(t.Context(), target, refs)
	require.ErrorContains(t, err, "near.example")

	target.Cluster.KubeconfigSecret = "none"
	_, err = a.Check(t.Context(), target, nil)
	require.ErrorContains(t, err, `Secret "none" does not exist`)
}
