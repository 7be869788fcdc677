// Package config owns the text of the configuration files of the node's
// children: containerd, its registry hosts, CNI, kubelet, kube-proxy and
// buildkitd. It never starts anything and imports none of them. Start at
// Node; each file has a function of its own, and Write puts them on disk.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/cluster/node/layout"
)

// Registry is the one registry name, in manifests and pipelines, for ever.
const Registry = "registry.slipway.internal"

// Node is what the files are made from.
type Node struct {
	layout.Layout
	BinDir        string
	NodeName      string
	NodeIP        string
	ClusterDNS    string
	ClusterDomain string
	PodCIDR       string // the range this node gives to its pods
	ClusterCIDR   string // the range of all pods
	SandboxImage  string
	RegistryAddr  string   // host:port of the plain loopback front door
	Mirrored      []string // registries whose images pods and builds take through it
	Snapshotter   string   // overlayfs or native
	ResolvConf    string   // for pods with dnsPolicy Default
	KubeletPort   int
	HealthPort    int // kubelet's, loopback
	ProxyPort     int // kube-proxy's health, loopback
	ProxyMetrics  int // kube-proxy's metrics, loopback
	// ContainerdMetrics is containerd's port of metrics, loopback.
	ContainerdMetrics int
	// UpstreamDefaults in place of our settings of the kubelet's speed, to compare with.
	UpstreamDefaults bool
}

// File is one file to be written.
type File struct {
	Path string
	Text string
}

// ContainerdFile is containerd's configuration.
func (n Node) ContainerdFile() string { return filepath.Join(n.Config(), "containerd.toml") }

// KubeletFile is the KubeletConfiguration.
func (n Node) KubeletFile() string { return filepath.Join(n.Config(), "kubelet.yaml") }

// KubeletWayFile is the kubeconfig that the kubelet makes for itself as it starts.
func (n Node) KubeletWayFile() string { return filepath.Join(n.Config(), "kubelet.kubeconfig") }

// CredentialFile is the kubelet's image credential provider configuration.
func (n Node) CredentialFile() string { return filepath.Join(n.Config(), "credential-provider.yaml") }

// ProxyFile is the KubeProxyConfiguration.
func (n Node) ProxyFile() string { return filepath.Join(n.Config(), "kube-proxy.yaml") }

// BuildkitFile is buildkitd's configuration.
func (n Node) BuildkitFile() string { return filepath.Join(n.Config(), "buildkitd.toml") }

// Files renders every file of the node.
func (n Node) Files() ([]File, error) {
	texts := map[string]func() (string, error){
		n.ContainerdFile():  n.containerd,
		n.BuildkitFile():    n.buildkitd,
		n.CNIConfFile():     n.podNetwork,
		n.BuildkitCNIFile(): n.buildNetwork,
		n.KubeletFile():     n.kubelet,
		n.CredentialFile():  n.credentialProvider,
		n.ProxyFile():       n.proxy,
		filepath.Join(n.CertsD(), "_default", "hosts.toml"): n.otherHosts,
	}
	for _, host := range append([]string{Registry}, n.Mirrored...) {
		texts[filepath.Join(n.CertsD(), host, "hosts.toml")] = n.ownHosts
	}
	var files []File
	for path, render := range texts {
		text, err := render()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, File{Path: path, Text: text})
	}
	return files, nil
}

// Write renders every file of the node and puts it on disk, and removes what an
// earlier configuration said of registries.
func (n Node) Write() error {
	files, err := n.Files()
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
			return err
		}
		if old, err := os.ReadFile(f.Path); err == nil && string(old) == f.Text {
			continue
		}
		if err := atomicfile.Write(f.Path, []byte(f.Text), 0o600); err != nil {
			return err
		}
	}
	return n.forgetHosts(files)
}

// forgetHosts removes the directories of registries that have no file any more.
func (n Node) forgetHosts(files []File) error {
	entries, err := os.ReadDir(n.CertsD())
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(n.CertsD(), e.Name())
		if slices.ContainsFunc(files, func(f File) bool { return filepath.Dir(f.Path) == dir }) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}
