package config

import (
	"bytes"
	"path/filepath"
	"text/template"

	"slipway.dev/cluster/node/layout"
)

// render fills a template. The %q of Go is a TOML basic string for any path.
func render(text string, data any) (string, error) {
	t, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return "", err
	}
	return out.String(), nil
}

// Plugins that have no use here, or that would look at directories of the
// machine (NRI) or at file systems that nobody has, are off.
const containerdText = `version = 3
root = {{printf "%q" .ContainerdRoot}}
state = {{printf "%q" .ContainerdState}}
disabled_plugins = [
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.differ.v1.erofs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
  "io.containerd.internal.v1.restart",
  "io.containerd.image-verifier.v1.bindir",
]

[grpc]
address = {{printf "%q" .ContainerdSocket}}

[ttrpc]
address = {{printf "%q" .TTRPC}}

[plugins."io.containerd.server.v1.metrics"]
address = "127.0.0.1:{{.ContainerdMetrics}}"

[plugins."io.containerd.internal.v1.opt"]
path = {{printf "%q" .Opt}}

[plugins."io.containerd.cri.v1.images"]
snapshotter = {{printf "%q" .Snapshotter}}
max_concurrent_downloads = 4

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = {{printf "%q" .SandboxImage}}

[plugins."io.containerd.cri.v1.images".registry]
config_path = {{printf "%q" .CertsD}}

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
disable_apparmor = true
tolerate_missing_hugetlb_controller = true
netns_mounts_under_state_dir = true
enable_unprivileged_ports = true
cdi_spec_dirs = []

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = [{{printf "%q" .CNIBin}}]
conf_dir = {{printf "%q" .CNIConf}}
max_conf_num = 1
use_internal_loopback = true

[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
runtime_path = {{printf "%q" .Shim}}

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = {{printf "%q" .Runc}}
Root = {{printf "%q" .RuncRoot}}
SystemdCgroup = false
`

func (n Node) containerd() (string, error) {
	return render(containerdText, struct {
		Node
		TTRPC, Opt, CNIBin, Shim, Runc string
	}{
		Node:   n,
		TTRPC:  n.ContainerdSocket() + ".ttrpc",
		Opt:    filepath.Join(n.Containerd(), "opt"),
		CNIBin: n.CNIBin(),
		Shim:   filepath.Join(n.BinDir, "containerd-shim-runc-v2"),
		Runc:   filepath.Join(n.BinDir, "runc"),
	})
}

// RuncRoot is where runc keeps the state of containers, apart from other
// containerds of the machine.
func (n Node) RuncRoot() string { return filepath.Join(n.ContainerdState(), "runc") }

// CNIBin is where the CNI plugins lie.
func (n Node) CNIBin() string { return filepath.Join(n.BinDir, "cni") }

// buildkitd runs in a containerd namespace of its own, puts RUN steps on the
// pod network, and grants no entitlement: without them neither host network nor
// privileged steps exist.
const buildkitText = `root = {{printf "%q" .Buildkit}}
insecure-entitlements = []

[grpc]
address = [{{printf "%q" .Address}}]
debugAddress = {{printf "%q" .Debug}}

[log]
format = "text"

[dns]
nameservers = [{{printf "%q" .ClusterDNS}}]

[cdi]
disabled = true

[history]
maxAge = 86400
maxEntries = 50

[worker.oci]
enabled = false

[worker.containerd]
enabled = true
address = {{printf "%q" .ContainerdSocket}}
namespace = {{printf "%q" .Namespace}}
snapshotter = {{printf "%q" .Snapshotter}}
networkMode = "cni"
cniConfigPath = {{printf "%q" .BuildkitCNIFile}}
cniBinaryPath = {{printf "%q" .CNIBin}}
cniPoolSize = 0
defaultCgroupParent = {{printf "%q" .Cgroup}}
max-parallelism = 4
gc = true
reservedSpace = "2GB"
maxUsedSpace = "20GB"
minFreeSpace = "10%"

[worker.containerd.runtime]
name = "io.containerd.runc.v2"
path = {{printf "%q" .Shim}}

[worker.containerd.runtime.options]
BinaryName = {{printf "%q" .Runc}}
Root = {{printf "%q" .RuncRoot}}

[frontend."dockerfile.v0"]
enabled = true

[frontend."gateway.v0"]
enabled = false

[registry.{{printf "%q" .Registry}}]
mirrors = [{{printf "%q" .RegistryAddr}}]
{{range .Mirrored}}
[registry.{{printf "%q" .}}]
mirrors = [{{printf "%q" $.RegistryAddr}}]
{{end}}
[registry.{{printf "%q" .RegistryAddr}}]
http = true
`

func (n Node) buildkitd() (string, error) {
	return render(buildkitText, struct {
		Node
		Address, Debug, Namespace, Cgroup, Shim, Runc, Registry string
	}{
		Node:      n,
		Address:   "unix://" + n.BuildkitSocket(),
		Debug:     "unix://" + n.BuildkitDebugSocket(),
		Namespace: layout.BuildkitNamespace,
		Cgroup:    "/" + n.CgroupName() + "/build",
		Shim:      filepath.Join(n.BinDir, "containerd-shim-runc-v2"),
		Runc:      filepath.Join(n.BinDir, "runc"),
		Registry:  Registry,
	})
}
