package apply

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// maxKubeconfig bytes.
const maxKubeconfig = 256 << 10

// Dial connects to an address that is looked at when it is dialled.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Kubeconfig reads the kubeconfig of another cluster from a Secret. It is a user's
// file: nothing in it names a program or a file of the server, nothing switches
// verification off, and its credentials go to the one host that it names.
func Kubeconfig(secret *corev1.Secret, dial Dial) (*rest.Config, error) {
	data := secret.Data["kubeconfig"]
	if data == nil {
		data = secret.Data["value"]
	}
	fault := func(format string, args ...any) error {
		return refuse("kubeconfig of Secret %q: %s", secret.Name, fmt.Sprintf(format, args...))
	}
	if len(data) == 0 {
		return nil, fault("missing; put it under the key \"kubeconfig\"")
	}
	if len(data) > maxKubeconfig {
		return nil, fault("%d KiB; at most %d are read", len(data)>>10, maxKubeconfig>>10)
	}
	raw, err := clientcmd.Load(data)
	if err != nil {
		return nil, fault("cannot be read") // the parser would quote what it holds
	}
	kubeContext := raw.Contexts[raw.CurrentContext]
	if kubeContext == nil {
		return nil, fault("current-context %q is not one of its contexts", raw.CurrentContext)
	}
	cluster, user := raw.Clusters[kubeContext.Cluster], raw.AuthInfos[kubeContext.AuthInfo]
	if cluster == nil || user == nil {
		return nil, fault("context %q names a cluster or user that is not there", raw.CurrentContext)
	}
	if why := dangerous(cluster, user); why != "" {
		return nil, fault("%s", why)
	}
	server, err := url.Parse(cluster.Server)
	if err != nil || server.Scheme != "https" || server.Host == "" || server.User != nil {
		return nil, fault("server must be an https:// address")
	}
	config := &rest.Config{
		Host: cluster.Server, QPS: clientQPS, Burst: clientBurst, UserAgent: "slipway",
		BearerToken: user.Token, Username: user.Username, Password: user.Password,
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: cluster.TLSServerName, CAData: cluster.CertificateAuthorityData,
			CertData: user.ClientCertificateData, KeyData: user.ClientKeyData,
		},
		Dial: notThisMachine(dial),
		// The address that is looked at must be the one that is reached.
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	}
	if _, err := rest.TLSConfigFor(config); err != nil {
		return nil, fault("its certificates cannot be read")
	}
	return config, nil
}

// dangerous says what in a kubeconfig is not followed, or "".
func dangerous(cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) string {
	switch {
	case cluster.InsecureSkipTLSVerify:
		return "insecure-skip-tls-verify is not followed; give certificate-authority-data"
	case cluster.CertificateAuthority != "", user.ClientCertificate != "", user.ClientKey != "", user.TokenFile != "":
		return "it names a file; give the contents (certificate-authority-data, client-certificate-data, client-key-data, token)"
	case cluster.ProxyURL != "":
		return "proxy-url is not followed"
	case user.Exec != nil:
		return "exec plugins are not run; give a token or a client certificate"
	case user.AuthProvider != nil:
		return "auth-provider plugins are not run; give a token or a client certificate"
	case user.Impersonate != "" || len(user.ImpersonateGroups) > 0 || user.ImpersonateUID != "" || len(user.ImpersonateUserExtra) > 0:
		return "as (impersonation) is not followed; set spec.serviceAccount"
	case len(cluster.CertificateAuthorityData) == 0 && cluster.TLSServerName != "":
		return "tls-server-name needs certificate-authority-data"
	}
	return ""
}

// notThisMachine refuses loopback addresses, whatever is allowed for sources: what
// listens there trusts who can reach it.
func notThisMachine(dial Dial) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if dial == nil {
			return nil, errors.New("other clusters are not configured")
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err != nil || at.Addr().Unmap().IsLoopback() {
			_ = conn.Close()
			return nil, fmt.Errorf("%s is this machine: address not allowed", address)
		}
		return conn, nil
	}
}

// httpClient of a configuration that follows no redirect: client-go would send the
// credentials along to wherever it leads.
func httpClient(config *rest.Config) (*http.Client, error) {
	hc, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	bound := *hc
	bound.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		return fmt.Errorf("redirect from %s to %s is not followed", via[0].URL.Host, r.URL.Host)
	}
	return &bound, nil
}

// wrap looks at how requests end.
func (o *outage) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if !errors.Is(r.Context().Err(), context.Canceled) {
			o.saw(err)
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
