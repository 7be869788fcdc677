package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway.dev/cluster/node/config"
	"slipway.dev/cluster/node/layout"
	"slipway.dev/cluster/supervise"
)

// Config says which node to be. The zero value of what is marked optional takes
// the default.
type Config struct {
	DataDir       string
	BinDir        string // containerd, shim, runc, buildkitd, cni/, slipway-credential
	Program       string // the binary with the kubelet and kube-proxy verbs; optional: this one
	NodeName      string
	NodeIP        string // not a loopback address
	ClusterDNS    string
	ClusterDomain string // optional: cluster.local
	PodCIDR       string // this node's
	ClusterCIDR   string // all pods'; optional: PodCIDR
	SandboxImage  string
	RegistryAddr  string // optional: 127.0.0.1:8080
	// Mirrored are the registries whose images come through RegistryAddr, with a
	// pod's own identity; others are asked there first and then themselves.
	Mirrored []string

	KubeletPort       int // optional: kubeletPort
	KubeletHealth     int // optional: kubeletHealth, loopback
	ProxyHealth       int // optional: proxyHealth, loopback
	ProxyMetrics      int // optional: proxyMetrics, loopback
	ContainerdMetrics int // optional: containerdMetrics, loopback
	UpstreamDefaults  bool
	WithoutBuildkit   bool
	WithoutKubeProxy  bool

	// HoldKubelet says how long a start of the kubelet has to be put off. Optional.
	HoldKubelet func() time.Duration

	// AfterContainerd runs when containerd is ready and before the kubelet
	// starts: the place to import system images. Optional.
	AfterContainerd func(ctx context.Context, socket string) error

	Log *slog.Logger // optional
}

// Node is a running node.
type Node struct {
	layout.Layout
	sup *supervise.Supervisor
}

// Ports of the children where the configuration says nothing else, as upstream has them.
const (
	kubeletPort       = 10250
	kubeletHealth     = 10248
	proxyHealth       = 10256
	proxyMetrics      = 10249
	containerdMetrics = 1338
)

// Ports are the addresses that the children listen at by default.
func Ports() []string {
	addresses := []string{fmt.Sprintf(":%d", kubeletPort)}
	for _, p := range []int{kubeletHealth, proxyHealth, proxyMetrics, containerdMetrics} {
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", p))
	}
	return addresses
}

// KubeProxyMetrics and ContainerdMetrics are where those two say figures about themselves.
var (
	KubeProxyMetrics  = fmt.Sprintf("127.0.0.1:%d", proxyMetrics)
	ContainerdMetrics = fmt.Sprintf("127.0.0.1:%d", containerdMetrics)
)

// Names of the children.
const (
	Containerd = "containerd"
	Kubelet    = "kubelet"
	KubeProxy  = "kube-proxy"
	Buildkitd  = "buildkitd"
)

func (c *Config) defaults() error {
	if c.Program == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		c.Program = self
	}
	text := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	text(&c.ClusterDomain, "cluster.local")
	text(&c.ClusterCIDR, c.PodCIDR)
	text(&c.RegistryAddr, "127.0.0.1:8080")
	number := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	number(&c.KubeletPort, kubeletPort)
	number(&c.KubeletHealth, kubeletHealth)
	number(&c.ProxyHealth, proxyHealth)
	number(&c.ProxyMetrics, proxyMetrics)
	number(&c.ContainerdMetrics, containerdMetrics)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	for name, v := range map[string]string{"data directory": c.DataDir, "program directory": c.BinDir, "node name": c.NodeName,
		"node address": c.NodeIP, "cluster DNS address": c.ClusterDNS, "pod range": c.PodCIDR, "sandbox image": c.SandboxImage} {
		if v == "" {
			return fmt.Errorf("node: no %s given", name)
		}
	}
	return nil
}

// Start writes the configuration and starts, or adopts, the daemons of the node.
// It returns when all of them answer. They live until Stop; ctx bounds only the
// start.
func Start(ctx context.Context, c Config) (*Node, error) {
	if err := c.defaults(); err != nil {
		return nil, err
	}
	l, err := layout.New(c.DataDir)
	if err != nil {
		return nil, err
	}
	files, err := c.files(l)
	if err != nil {
		return nil, err
	}
	if err := prepare(l); err != nil {
		return nil, err
	}
	if err := files.Write(); err != nil {
		return nil, fmt.Errorf("node configuration: %w", err)
	}
	n := &Node{Layout: l, sup: supervise.New(l.Run(), l.Logs(), c.Log)}
	if err := n.start(ctx, c, files); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return nil, errors.Join(err, n.Stop(stop))
	}
	return n, nil
}

func (n *Node) start(ctx context.Context, c Config, files config.Node) error {
	children := n.children(c, files)
	if err := n.sup.Start(ctx, children[0]); err != nil {
		return err
	}
	if c.AfterContainerd != nil {
		if err := c.AfterContainerd(ctx, n.ContainerdSocket()); err != nil {
			return err
		}
	}
	// Launched in order, so that they stop in order; waited for together.
	for _, child := range children[1:] {
		if err := n.sup.Launch(child); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, child := range children[1:] {
		group.Go(func() error { return n.sup.WaitReady(ctx, child.Name) })
	}
	return group.Wait()
}

// Stop stops the daemons, the last started first. Pods run on: their shims are
// nobody's children, and the next start finds them.
func (n *Node) Stop(ctx context.Context) error { return n.sup.Stop(ctx) }

// Leave is Stop but for containerd, which the next start adopts.
func (n *Node) Leave(ctx context.Context) error { return n.sup.Leave(ctx) }

// State reports the daemons.
func (n *Node) State() []supervise.State { return n.sup.State() }

func (c *Config) files(l layout.Layout) (config.Node, error) {
	resolv, err := resolvConf(l)
	if err != nil {
		return config.Node{}, err
	}
	return config.Node{
		Layout: l, BinDir: c.BinDir, NodeName: c.NodeName, NodeIP: c.NodeIP,
		ClusterDNS: c.ClusterDNS, ClusterDomain: c.ClusterDomain,
		PodCIDR: c.PodCIDR, ClusterCIDR: c.ClusterCIDR,
		SandboxImage: c.SandboxImage, RegistryAddr: c.RegistryAddr, Mirrored: c.Mirrored,
		Snapshotter: snapshotter(l), ResolvConf: resolv,
		KubeletPort: c.KubeletPort, HealthPort: c.KubeletHealth,
		ProxyPort: c.ProxyHealth, ProxyMetrics: c.ProxyMetrics, ContainerdMetrics: c.ContainerdMetrics,
		UpstreamDefaults: c.UpstreamDefaults,
	}, nil
}

// prepare makes the directories that the daemons expect, and the cgroup.
func prepare(l layout.Layout) error {
	for _, dir := range []string{l.Run(), l.Config(), l.ContainerdRoot(), l.ContainerdState(), l.CNIConf(), l.CNIData(),
		l.Kubelet(), l.KubeletWork(), filepath.Join(l.Kubelet(), "volume-plugins"), l.Buildkit(), filepath.Join(l.Containerd(), "opt")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	// The log collector and pods' own log paths need to read below these.
	for _, dir := range []string{l.Logs(), l.PodLogs()} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
	}
	if err := noteOutside(l, layout.Outside()); err != nil {
		return err
	}
	return makeCgroup(cgroupMount, l.CgroupName())
}
