package controlplane

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"slipway.dev/cluster/inprocess"
)

// Local is a client configuration of whom another one with a client certificate is of,
// whose requests do not leave this process: the API server authenticates, authorises and
// answers them as all others, without a connection. It is over the network before the API
// server is there and after it.
func (p *ControlPlane) Local(c *rest.Config) (*rest.Config, error) {
	options, err := c.TransportConfig()
	if err != nil {
		return nil, err
	}
	network, err := transport.New(options)
	if err != nil {
		return nil, err
	}
	own := &certificate{file: c.CertFile}
	if _, err := own.get(); err != nil {
		return nil, err
	}
	out := rest.CopyConfig(c)
	out.TLSClientConfig, out.Transport = rest.TLSClientConfig{}, p.local.Transport(own.get, network)
	return out, nil
}

// wrapped has the requests of another configuration with a client certificate not leave
// this process, where that cannot be given a transport of its own: it goes on to make others
// from its files.
func wrapped(c *rest.Config, local *inprocess.Server) error {
	own := &certificate{file: c.CertFile}
	if _, err := own.get(); err != nil {
		return err
	}
	c.Wrap(func(network http.RoundTripper) http.RoundTripper { return local.Transport(own.get, network) })
	return nil
}

// rereadEvery is as often as certificates are looked at for having been renewed.
const rereadEvery = time.Minute

// certificate of a file, as it is or was a moment ago.
type certificate struct {
	file string

	mu  sync.Mutex
	is  *x509.Certificate
	now time.Time
}

func (c *certificate) get() (*x509.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is != nil && time.Since(c.now) < rereadEvery {
		return c.is, nil
	}
	data, err := os.ReadFile(c.file)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("client certificate %s: no certificate", c.file)
	}
	is, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("client certificate %s: %w", c.file, err)
	}
	c.is, c.now = is, time.Now()
	return is, nil
}
