package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
)

// cni is a routed ptp network with host-local addresses. There is no ipMasq (one
// nftables rule of ours serves all pods) and no portmap (hostPort is not offered);
// both cost CPU for every pod. The second plugin sets jobs apart.
func (n Node) cni(jobs map[string]any) (string, error) {
	prefix, err := netip.ParsePrefix(n.PodCIDR)
	if err != nil {
		return "", fmt.Errorf("pod range: %w", err)
	}
	conf := map[string]any{
		"cniVersion": "1.0.0",
		"name":       n.CNINetwork(),
		"plugins": []any{map[string]any{
			"type":   "ptp",
			"ipMasq": false,
			"ipam": map[string]any{
				"type":    "host-local",
				"dataDir": n.CNIData(),
				"ranges":  []any{[]any{map[string]any{"subnet": prefix.Masked().String()}}},
				"routes":  []any{map[string]any{"dst": "0.0.0.0/0"}},
			},
		}, jobs},
	}
	text, err := json.MarshalIndent(conf, "", "  ")
	return string(text) + "\n", err
}

// podNetwork sets those pods apart that the engine made for a job, and lets no pod start
// before its network policies hold.
func (n Node) podNetwork() (string, error) {
	return n.cni(map[string]any{"type": jobsPlugin, "policies": n.PolicySocket(), "capabilities": map[string]any{"io.kubernetes.cri.pod-annotations": true}})
}

// buildNetwork sets every RUN step apart.
func (n Node) buildNetwork() (string, error) {
	return n.cni(map[string]any{"type": jobsPlugin, "every": true})
}

// jobsPlugin is the file name of our CNI plugin.
const jobsPlugin = "slipway-jobs"

// ownHosts maps our registry name, and those that the front door keeps copies
// of, to the front door and to nothing else, so that a pod's credential for it
// can not go anywhere else.
func (n Node) ownHosts() (string, error) {
	return render(`server = {{printf "%q" .}}

[host.{{printf "%q" .}}]
capabilities = ["pull", "resolve"]
`, "http://"+n.RegistryAddr)
}

// otherHosts sends every registry that is not listed through the front door first, which
// keeps what it pulled; containerd adds ?ns=<registry>.
func (n Node) otherHosts() (string, error) {
	return render(`[host.{{printf "%q" .}}]
capabilities = ["pull", "resolve"]
`, "http://"+n.RegistryAddr)
}
