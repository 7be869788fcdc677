package controlplane

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"slipway.dev/cluster/pki"
)

// Config says what to start. Zero values are the defaults named at the fields.
type Config struct {
	// DataDir is the server's data directory; etcd/ below it is this package's.
	DataDir string
	// PKI of this server, as pki.Ensure returned it.
	PKI *pki.Files
	// NodeIP is advertised as the address of the API server; not a loopback address.
	NodeIP net.IP
	// APIPort of the API server, on every address. Default 6443.
	APIPort int
	// EtcdPort and EtcdPeerPort on loopback. Default 2379 and 2380.
	EtcdPort, EtcdPeerPort int
	// PodCIDR and ServiceCIDR. Default 10.42.0.0/16 and 10.43.0.0/16.
	PodCIDR, ServiceCIDR string
	// NodePortRange of services. Default 30000-32767.
	NodePortRange string
	// FeatureGates of Kubernetes; the kubelet must be given the same.
	FeatureGates map[string]bool
	// EtcdQuota in bytes, after which etcd takes no more writes. 0: its default.
	EtcdQuota int64
	// Profiling has the API server say what this process spends its time and memory on,
	// below /debug/pprof, to who may get that: administrators only, unless a role says so.
	Profiling bool
	// Log of everything here. Kubernetes and etcd are chatty, so their informational
	// lines come at debug level. Default slog.Default.
	Log *slog.Logger
}

func (c Config) complete() (Config, error) {
	if c.DataDir == "" || c.PKI == nil || c.NodeIP == nil {
		return c, errors.New("control plane: data directory, certificates and node address are needed")
	}
	if c.NodeIP.IsLoopback() || c.NodeIP.IsUnspecified() {
		return c, fmt.Errorf("control plane: node address %s cannot be reached from pods; give one of an interface", c.NodeIP)
	}
	def(&c.APIPort, 6443)
	def(&c.EtcdPort, 2379)
	def(&c.EtcdPeerPort, 2380)
	def(&c.PodCIDR, "10.42.0.0/16")
	def(&c.ServiceCIDR, "10.43.0.0/16")
	def(&c.NodePortRange, "30000-32767")
	def(&c.Log, slog.Default())
	for _, r := range []string{c.PodCIDR, c.ServiceCIDR} {
		if _, _, err := net.ParseCIDR(r); err != nil {
			return c, fmt.Errorf("control plane: address range %q: %w", r, err)
		}
	}
	return c, nil
}

// gates as the value of --feature-gates.
func (c Config) gates() string {
	var out []string
	for name, on := range c.FeatureGates {
		out = append(out, fmt.Sprintf("%s=%t", name, on))
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

func (c Config) etcdDir() string { return filepath.Join(c.DataDir, "etcd") }

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
