package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"slipway.dev/cluster/addons"
	"slipway.dev/cluster/api/crds"
	kube "slipway.dev/cluster/client"
	"slipway.dev/cluster/controlplane"
	"slipway.dev/cluster/images"
	"slipway.dev/cluster/network"
	"slipway.dev/cluster/node"
	"slipway.dev/cluster/payload"
	"slipway.dev/cluster/pki"
	"slipway.dev/cluster/preflight"
	"slipway.dev/cluster/storage"
	"slipway.dev/cluster/supervise"
	"slipway.dev/server/api"
	"slipway.dev/server/config"
)

// cluster is the bundled Kubernetes on this machine.
type cluster struct {
	volumes *storage.Provisioner
	nodeIP  string
	bin     string // the extracted daemons
	payload *payload.Payload
	refs    map[string]string // system images by name
	pki     *pki.Files
	// identities are whom the certificates are for.
	identities pki.Options
	plane      *controlplane.ControlPlane
	node       *node.Node
	own        *supervise.Supervisor // children that are not the node's
	admin      *rest.Config          // every right, for the first objects
	config     *rest.Config          // the server's own identity
}

// checkMachine refuses one that a server would not work on, before anything is made.
func checkMachine(ctx context.Context, conf config.Config) error {
	ports := []string{conf.HTTP, conf.HTTPS, fmt.Sprintf(":%d", conf.APIServerPort), etcdAddress(conf.EtcdPort), etcdAddress(conf.EtcdPort + 1), fmt.Sprintf("127.0.0.1:%d", resourcePort)}
	var problems []error
	for _, p := range preflight.Check(ctx, preflight.Config{
		DataDir: conf.DataDir, PodCIDR: conf.PodCIDR, ServiceCIDR: conf.ServiceCIDR, NodeIP: conf.NodeIP, Ports: append(ports, node.Ports()...),
	}) {
		problems = append(problems, errors.New(p.String()))
	}
	if len(problems) > 0 {
		return fmt.Errorf("this machine is not ready for a server:\n%w", errors.Join(problems...))
	}
	return nil
}

func etcdAddress(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// bootCluster prepares the machine and starts control plane and node, side by
// side as far as they do not need one another.
func bootCluster(ctx context.Context, conf config.Config, state *status, log *slog.Logger) (_ *cluster, err error) {
	c := &cluster{own: supervise.New(filepath.Join(conf.DataDir, "run"), filepath.Join(conf.DataDir, "logs"), log.With("part", "supervise"))}
	defer func() {
		if err != nil {
			c.stop(&parting{}, (*node.Node).Stop, log)
		}
	}()
	dns, err := nth(conf.ServiceCIDR, 10)
	if err != nil {
		return nil, err
	}
	net, err := network.Setup(ctx, network.Config{
		DataDir: conf.DataDir, PodCIDR: conf.PodCIDR, ServiceCIDR: conf.ServiceCIDR, NodeIP: conf.NodeIP,
		Jobs: network.Jobs{DNS: dns, FrontDoor: conf.HTTPS, Outside: conf.Jobs.Outside},
	})
	if err != nil {
		return nil, err
	}
	for _, w := range net.Warnings {
		log.Warn("network", "warning", w)
	}
	c.nodeIP = net.NodeIP.String()
	if c.payload, err = payload.Default(); err != nil {
		return nil, err
	}
	if c.refs, err = images.References(c.payload); err != nil {
		return nil, err
	}

	g, gctx := errgroup.WithContext(ctx)
	up := make(chan struct{}) // closed when the API server answers
	// Said at once: when one part gives up, the API server may end the process
	// while it stops, before anybody else could say why.
	because := func(err error) error {
		if err != nil && gctx.Err() == nil {
			log.Error("the cluster does not start", "err", err)
		}
		return err
	}
	g.Go(func() error {
		if err := c.startPlane(gctx, ctx, conf, log); err != nil {
			return because(err)
		}
		close(up)
		return because(c.install(gctx, dns))
	})
	g.Go(func() error { return because(c.startNode(gctx, conf, dns, up, log)) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	state.ask(children(c.node.State))
	state.ask(func(context.Context) []api.Component {
		store := api.Component{Name: "etcd", Ready: true, Message: c.plane.Store().Size().String()}
		if err := c.plane.Store().Room(); err != nil {
			store.Ready, store.Message = false, err.Error()
		}
		return []api.Component{store, {Name: "kubernetes", Ready: true, Message: "https://" + c.nodeIP + fmt.Sprintf(":%d", conf.APIServerPort)}}
	})
	return c, nil
}

// startPlane starts the control plane; life ends with the server, ctx with the start.
func (c *cluster) startPlane(ctx, life context.Context, conf config.Config, log *slog.Logger) (err error) {
	first, err := nth(conf.ServiceCIDR, 1)
	if err != nil {
		return err
	}
	ip := net.ParseIP(c.nodeIP)
	c.identities = pki.Options{NodeName: conf.NodeName, NodeIP: ip, ServiceIP: net.ParseIP(first), APIPort: conf.APIServerPort}
	if c.pki, err = pki.Ensure(filepath.Join(conf.DataDir, "pki"), c.identities); err != nil {
		return err
	}
	if c.config, err = kube.Load(c.pki.SlipwayKubeconfig, "server"); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return err
	}
	c.volumes, err = storage.New(life, filepath.Join(conf.DataDir, "volumes"), conf.NodeName, client, log.With("part", "volumes"))
	if err != nil {
		return err
	}
	c.plane, err = controlplane.Start(ctx, controlplane.Config{
		DataDir: conf.DataDir, PKI: c.pki, NodeIP: ip, APIPort: conf.APIServerPort,
		EtcdPort: conf.EtcdPort, EtcdPeerPort: conf.EtcdPort + 1, EtcdQuota: conf.EtcdQuota, PodCIDR: conf.PodCIDR, ServiceCIDR: conf.ServiceCIDR,
		FeatureGates: map[string]bool{"EventedPLEG": !conf.UpstreamDefaults}, Profiling: conf.Profiling, Log: log.With("part", "kubernetes"),
	})
	if err != nil {
		return err
	}
	// Most requests are the server's own, to what is in its own process.
	if c.config, err = c.plane.Local(c.config); err != nil {
		return err
	}
	c.admin, err = c.plane.AdminConfig()
	return err
}

// install writes what every cluster has: our kinds, roles, DNS, storage class, tenant.
// The kubelet starts meanwhile.
func (c *cluster) install(ctx context.Context, dns string) error {
	admin, err := kube.New(c.admin)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return crds.Install(ctx, c.admin) })
	g.Go(func() error {
		if err := addons.Install(ctx, admin, addons.Options{DNSImage: c.refs[images.CoreDNS], DNSIP: dns}); err != nil {
			return err
		}
		return addons.EnsureTenant(ctx, admin, tenant)
	})
	return g.Wait()
}

func (c *cluster) startNode(ctx context.Context, conf config.Config, dns string, up <-chan struct{}, log *slog.Logger) (err error) {
	if c.bin, err = c.payload.Extract(conf.DataDir); err != nil {
		return err
	}
	c.node, err = node.Start(ctx, node.Config{
		DataDir: conf.DataDir, BinDir: c.bin, NodeName: conf.NodeName, NodeIP: c.nodeIP, ClusterDNS: dns, PodCIDR: conf.PodCIDR,
		HoldKubelet: c.holdKubelet(conf, log), SandboxImage: c.refs[images.Pause], RegistryAddr: conf.HTTP, Mirrored: mirrored(conf), UpstreamDefaults: conf.UpstreamDefaults, Log: log.With("part", "node"),
		AfterContainerd: func(ctx context.Context, socket string) error {
			if err := images.Import(ctx, socket, c.payload); err != nil {
				return err
			}
			select {
			case <-up:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
	})
	return err
}

// watchFailure ends the process when a part of the control plane ends by itself.
func (c *cluster) watchFailure(fail context.CancelCauseFunc) {
	if err := <-c.plane.Failed(); err != nil {
		fail(err)
	}
}

// stop ends daemons, those of the node as is said, and control plane; pods go on.
func (c *cluster) stop(leave *parting, daemons func(*node.Node, context.Context) error, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	var err error
	leave.step("children", func() { err = c.own.Stop(ctx) })
	if c.node != nil {
		leave.step("node", func() { err = errors.Join(err, daemons(c.node, ctx)) })
	}
	if c.plane != nil {
		leave.step("control plane", c.plane.Stop)
	}
	if err != nil {
		log.Warn("stop", "err", err)
	}
}

// nth address of a range.
func nth(cidr string, n int) (string, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return "", err
	}
	a := p.Masked().Addr()
	for range n {
		a = a.Next()
	}
	return a.String(), nil
}
