package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"slipway.dev/cluster/outside"
)

// Names of targets that listen on a socket of this machine and have no address. They are
// looked up nowhere, and by shipped jobs alone.
const (
	selfHost     = "observe.slipway.internal:80"
	buildkitHost = "buildkit.slipway.internal:80"
)

// ErrMachine is why a target of a namespace's object is not connected to.
var ErrMachine = errors.New("is an address of a machine of the cluster, and objects of a namespace do not reach it; an administrator can lift this with the label slipway.dev/metrics=cluster")

// dial connects to a target of a shipped job, by its socket where it has one.
func (t Targets) dial() commonconfig.HTTPClientOption {
	sockets := map[string]string{selfHost: t.Self, buildkitHost: t.Buildkit}
	var d net.Dialer
	return commonconfig.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		if s := sockets[address]; s != "" {
			return d.DialContext(ctx, "unix", s)
		}
		return d.DialContext(ctx, network, address)
	})
}

// guarded connects to a target that a user chose. The address is judged as it is connected
// to, so that a name which meant something else a moment ago changes nothing.
func (m *Metrics) guarded() commonconfig.HTTPClientOption {
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return m.judge(address) }}
	return commonconfig.WithDialContextFunc(d.DialContext)
}

// mayDial refuses addresses of machines: what listens there trusts whoever comes from there.
func (m *Metrics) mayDial(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	at := ap.Addr().Unmap().WithZone("")
	link := outside.Guard{Private: true}.Check("", netip.AddrPortFrom(at, ap.Port()).String(), nil) != nil
	if link || at.IsLoopback() || ours(at) || slices.Contains(m.opts.Targets.Machines, at.String()) || m.machine(at) || slices.Contains(m.nodes(), at.String()) {
		return fmt.Errorf("%s %w", at, ErrMachine)
	}
	return nil
}

// UseMachines takes the addresses of machines as the cluster knows them: besides those that
// are known without it, of nodes that are not scraped, of bridges of other nodes and of
// other API servers.
func (m *Metrics) UseMachines(all []netip.Addr) { m.machines.Store(&all) }

func (m *Metrics) machine(at netip.Addr) bool {
	all := m.machines.Load()
	return all != nil && slices.Contains(*all, at)
}

// nodes are the addresses of the cluster's nodes, as the job that scrapes kubelets knows them.
func (m *Metrics) nodes() (all []string) {
	for _, t := range m.scrape.TargetsActive()["kubelet"] {
		host, _, _ := net.SplitHostPort(t.URL().Host)
		all = append(all, host)
		var b labels.Builder
		t.DiscoveredLabels(&b).Range(func(l labels.Label) {
			if strings.HasPrefix(l.Name, model.MetaLabelPrefix+"kubernetes_node_address_") {
				all = append(all, l.Value)
			}
		})
	}
	return all
}

// ours says whether an address is one of this machine's. When that cannot be asked, every
// address may be.
func ours(at netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap() == at
	})
}
