// Command slipway-jobs is the CNI plugin that sets the pods of jobs apart: it puts the
// host end of a job's interface into a group that the rules of cluster/network know. It
// also lets no pod start before its network policies are in force (cluster/netpol/arrival).
// It never touches another interface, and leaves nothing behind: the group goes with the
// interface. It is chained behind the plugin that makes the interface.
//
// A job's pod is one with the annotation that Tekton gives every pod of its own; a pod
// of somebody else with it is only limited the more. Start at add.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
	"github.com/vishvananda/netlink"

	"slipway.dev/cluster/netpol/arrival"
	"slipway.dev/cluster/node/layout"
)

// jobAnnotation is Tekton's, on every pod that it makes.
const jobAnnotation = "pipeline.tekton.dev/release"

// config as the node's CNI network list has it.
type config struct {
	types.NetConf
	// Every interface is a job's: those of builds.
	Every bool `json:"every"`
	// Policies is the socket of those who enforce network policies; not given: of no
	// concern to them.
	Policies      string `json:"policies"`
	RuntimeConfig struct {
		Annotations map[string]string `json:"io.kubernetes.cri.pod-annotations"`
	} `json:"runtimeConfig"`
}

func main() {
	nothing := func(*skel.CmdArgs) error { return nil }
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Check: check, Del: nothing, GC: nothing, Status: nothing}, version.All, "Slipway's plugin that sets jobs apart")
}

// parse reads the configuration and what the plugin before it made.
func parse(stdin []byte) (*config, *current.Result, error) {
	c := &config{}
	if err := json.Unmarshal(stdin, c); err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	if err := version.ParsePrevResult(&c.NetConf); err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	if c.PrevResult == nil {
		return nil, nil, errors.New("no interface is there yet; chain this plugin behind the one that makes it")
	}
	r, err := current.NewResultFromResult(c.PrevResult)
	return c, r, err
}

// job says whether the interface is a job's. Who it belongs to is not told only where
// something is wrong; then it is treated as one.
func (c *config) job() bool {
	_, marked := c.RuntimeConfig.Annotations[jobAnnotation]
	return c.Every || marked || len(c.RuntimeConfig.Annotations) == 0
}

// hostEnds are the names of the interfaces that are not in the pod.
func hostEnds(r *current.Result) (names []string, err error) {
	for _, i := range r.Interfaces {
		if i.Sandbox == "" {
			names = append(names, i.Name)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("the interface has no end on the host")
	}
	return names, nil
}

func add(args *skel.CmdArgs) error {
	c, r, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	if c.job() {
		if err := each(r, func(l netlink.Link) error { return netlink.LinkSetGroup(l, layout.JobsGroup) }); err != nil {
			return err
		}
	}
	if err := c.arrive(args.Args, r); err != nil {
		return err
	}
	return types.PrintResult(c.PrevResult, c.CNIVersion)
}

// names are what containerd says of the pod.
type names struct {
	types.CommonArgs
	K8S_POD_NAMESPACE types.UnmarshallableString //nolint:revive // CNI's names
	K8S_POD_NAME      types.UnmarshallableString //nolint:revive
	K8S_POD_UID       types.UnmarshallableString //nolint:revive
}

// patience with those who enforce network policies; they answer within 8 s.
const patience = 10 * time.Second

// arrive waits until the network policies of the pod hold; where there are none, for
// nothing.
func (c *config) arrive(args string, r *current.Result) error {
	if c.Policies == "" {
		return nil
	}
	var n names
	if err := types.LoadArgs(args, &n); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	if n.K8S_POD_NAME == "" {
		return nil // no pod
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, ip := range r.IPs {
		addr, ok := netip.AddrFromSlice(ip.Address.IP)
		if addr = addr.Unmap(); !ok || !addr.Is4() {
			continue
		}
		p := arrival.Pod{Namespace: string(n.K8S_POD_NAMESPACE), Name: string(n.K8S_POD_NAME), UID: string(n.K8S_POD_UID), Addr: addr}
		if err := arrival.Tell(ctx, c.Policies, p); err != nil {
			return err
		}
	}
	return nil
}

func check(args *skel.CmdArgs) error {
	c, r, err := parse(args.StdinData)
	if err != nil || !c.job() {
		return err
	}
	return each(r, func(l netlink.Link) error {
		if l.Attrs().Group != layout.JobsGroup {
			return fmt.Errorf("is in group %d and not in that of jobs, %d", l.Attrs().Group, layout.JobsGroup)
		}
		return nil
	})
}

func each(r *current.Result, do func(netlink.Link) error) error {
	names, err := hostEnds(r)
	if err != nil {
		return err
	}
	for _, name := range names {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = do(l)
		}
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
	}
	return nil
}
