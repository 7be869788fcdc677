package pki

import (
	"net"
	"slices"
)

// leaf is one certificate as it should be.
type leaf struct {
	ca             string
	pair           Pair
	name           string
	groups         []string
	server, client bool
	hosts          []string
}

// leaves is every certificate of a server, in one table.
func leaves(f *Files, o Options) []leaf {
	local := []string{"localhost", "127.0.0.1", "::1"}
	node := slices.Concat(local, []string{o.NodeName, o.NodeIP.String()})
	api := slices.Concat(node, []string{o.ServiceIP.String(),
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}, o.Hosts)
	front := slices.Concat(node, []string{"registry.slipway.internal", "slipway.slipway-system.svc"}, o.Hosts)
	return []leaf{
		{ca: "ca", pair: f.APIServer, name: "kube-apiserver", server: true, hosts: api},
		{ca: "ca", pair: f.Front, name: "slipway", server: true, hosts: front},
		{ca: "ca", pair: f.KubeletServing, name: "system:node:" + o.NodeName, groups: []string{"system:nodes"}, server: true, hosts: node},
		{ca: "ca", pair: f.APIServerKubeletClient, name: KubeletClientUser, client: true},
		{ca: "ca", pair: f.admin, name: "kubernetes-admin", groups: []string{"system:masters"}, client: true},
		{ca: "ca", pair: f.slipway, name: ServerUser, groups: []string{ServerGroup}, client: true},
		{ca: "ca", pair: f.kubelet, name: "system:node:" + o.NodeName, groups: []string{"system:nodes"}, client: true},
		{ca: "ca", pair: f.prox, name: "system:kube-proxy", client: true},
		{ca: "ca", pair: f.controllerManager, name: "system:kube-controller-manager", client: true},
		{ca: "ca", pair: f.scheduler, name: "system:kube-scheduler", client: true},
		{ca: "front-proxy-ca", pair: f.FrontProxyClient, name: "front-proxy-client", client: true},
		{ca: "etcd-ca", pair: f.EtcdServer, name: "etcd-server", server: true, client: true, hosts: local},
		{ca: "etcd-ca", pair: f.EtcdPeer, name: "etcd-peer", server: true, client: true, hosts: node},
		{ca: "etcd-ca", pair: f.APIServerEtcdClient, name: "kube-apiserver-etcd-client", client: true},
	}
}

// split sorts hosts into names and addresses, each once.
func split(hosts []string) (names []string, addresses []net.IP) {
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			if !slices.ContainsFunc(addresses, ip.Equal) {
				addresses = append(addresses, ip)
			}
			continue
		}
		if h != "" && !slices.Contains(names, h) {
			names = append(names, h)
		}
	}
	slices.Sort(names)
	slices.SortFunc(addresses, func(a, b net.IP) int { return slices.Compare(a.To16(), b.To16()) })
	return names, addresses
}
