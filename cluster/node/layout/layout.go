// Package layout owns the names of everything a node keeps on its machine:
// paths below the data directory, the cgroup, the CNI network. It never
// creates any of it. Start at Layout; node makes these things and reset takes
// them away.
package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
)

// Layout names what belongs to one data directory, so that two instances on
// one machine never touch each other's.
type Layout struct {
	DataDir string // absolute and clean
	ID      string // short hash of DataDir
}

// New returns the layout of a data directory.
func New(dataDir string) (Layout, error) {
	abs, err := filepath.Abs(dataDir)
	if err != nil {
		return Layout{}, err
	}
	// A symlink and its target are one instance.
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	sum := sha256.Sum256([]byte(abs))
	return Layout{DataDir: abs, ID: hex.EncodeToString(sum[:4])}, nil
}

func (l Layout) join(elem ...string) string {
	return filepath.Join(append([]string{l.DataDir}, elem...)...)
}

// Run is where sockets and pid files lie.
func (l Layout) Run() string { return l.join("run") }

// Logs is where the children's output lies.
func (l Layout) Logs() string { return l.join("logs") }

// PodLogs is the kubelet's podLogsDir.
func (l Layout) PodLogs() string { return l.join("logs", "pods") }

// PKI holds certificates, keys and kubeconfigs.
func (l Layout) PKI() string { return l.join("pki") }

// Containerd is containerd's home; ContainerdRoot and ContainerdState are its
// lasting and its passing part.
func (l Layout) Containerd() string { return l.join("containerd") }

// ContainerdRoot holds content, snapshots and metadata.
func (l Layout) ContainerdRoot() string { return l.join("containerd", "root") }

// ContainerdState holds bundles, network namespaces and shim sockets of what runs.
func (l Layout) ContainerdState() string { return l.join("containerd", "state") }

// ContainerdSocket is containerd's gRPC socket.
func (l Layout) ContainerdSocket() string { return l.join("run", "containerd.sock") }

// CertsD is containerd's registry host configuration.
func (l Layout) CertsD() string { return l.join("containerd", "certs.d") }

// CNIConf holds the one CNI network list.
func (l Layout) CNIConf() string { return l.join("containerd", "cni") }

// CNIConfFile is the CNI network list of pods.
func (l Layout) CNIConfFile() string { return l.join("containerd", "cni", "10-slipway.conflist") }

// BuildkitCNIFile is the CNI network list of RUN steps: the same network, as of jobs.
func (l Layout) BuildkitCNIFile() string { return l.join("run", "config", "buildkitd.conflist") }

// CNIData holds the addresses given to pods.
func (l Layout) CNIData() string { return l.join("containerd", "cni-data") }

// Kubelet is the kubelet's root directory.
func (l Layout) Kubelet() string { return l.join("kubelet") }

// KubeletWork is where the kubelet runs; nothing is in it.
func (l Layout) KubeletWork() string { return l.join("run", "kubelet") }

// Buildkit is buildkitd's home.
func (l Layout) Buildkit() string { return l.join("buildkit") }

// BuildkitSocket is buildkitd's socket.
func (l Layout) BuildkitSocket() string { return l.join("run", "buildkitd.sock") }

// BuildkitDebugSocket is where buildkitd says figures about itself.
func (l Layout) BuildkitDebugSocket() string { return l.join("run", "buildkitd-debug.sock") }

// Config is where the children's configuration is written.
func (l Layout) Config() string { return l.join("run", "config") }

// Instance is the file that records where (network namespace) and with which
// ranges the server ran.
func (l Layout) Instance() string { return l.join("instance.json") }

// CgroupName is the cgroup below which everything of this instance runs, in
// every controller.
func (l Layout) CgroupName() string { return "slipway-" + l.ID }

// PolicySocket is where the CNI plugin asks whether a pod's network policies hold.
func (l Layout) PolicySocket() string { return l.join("run", "policies.sock") }

// CNINetwork names the CNI network.
func (l Layout) CNINetwork() string { return "slipway-" + l.ID }

// BuildkitNamespace is the containerd namespace of builds.
const BuildkitNamespace = "slipway-buildkit"

// KubernetesNamespace is the containerd namespace of pods.
const KubernetesNamespace = "k8s.io"

// Bridge is the interface that gives a machine without a default route an
// address.
const Bridge = "slipway0"

// Table is the name of our nftables table.
const Table = "slipway"

// JobsTable is the name of the nftables table that says what jobs may reach.
const JobsTable = "slipway-jobs"

// PolicyTable is the name of the nftables table that enforces network policies.
const PolicyTable = "slipway-policies"

// JobsGroup is the group of the host ends of jobs' interfaces: "SL" in ASCII.
const JobsGroup = 0x534c
