package daemon

import (
	"context"
	"fmt"

	"slipway.dev/cluster/netpol"
	"slipway.dev/cluster/node/layout"
	"slipway.dev/server/api"
)

// enforcePolicies enforces network policies on this machine until ctx ends. Where that is
// switched off, nothing of before stays in force.
func (s *services) enforcePolicies(ctx context.Context) error {
	l, err := layout.New(s.conf.DataDir)
	if err != nil {
		return err
	}
	if !s.conf.NetworkPolicies {
		if err := netpol.Remove(ctx, l.PolicySocket()); err != nil {
			s.log.Warn("network policies are switched off, and what enforced them is still there", "err", err)
		}
		return nil
	}
	c, err := netpol.New(netpol.Config{
		Client: s.kube, Node: s.conf.NodeName, Socket: l.PolicySocket(),
		Events: s.manager.GetEventRecorder("slipway"), Metrics: s.metrics, Log: s.log.With("part", "network policies"),
	})
	if err != nil {
		return err
	}
	s.state.ask(func(context.Context) []api.Component { return []api.Component{policyState(c.State())} })
	return c.Run(ctx)
}

func policyState(now netpol.State) api.Component {
	out := api.Component{Name: "network policies", Ready: now.Err == nil, Optional: true}
	switch {
	case now.Err != nil:
		out.Message = fmt.Sprintf("%v; what is in force is what was before, and pods that they limit do not start", now.Err)
	case now.Policies > 0:
		out.Message = fmt.Sprintf("%d; pods that they limit here: %d", now.Policies, now.Limited)
	}
	return out
}
