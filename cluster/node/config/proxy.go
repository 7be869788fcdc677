package config

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	componentbase "k8s.io/component-base/config/v1alpha1"
	logsapi "k8s.io/component-base/logs/api/v1"
	kubeproxy "k8s.io/kube-proxy/config/v1alpha1"
	"k8s.io/utils/ptr"
)

// proxy configures kube-proxy in nftables mode. Conntrack is left alone, so that
// it writes no sysctl. NodePorts answer on every address of the machine but
// loopback, which nftables can not serve.
func (n Node) proxy() (string, error) {
	return marshal(kubeproxy.KubeProxyConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: "kubeproxy.config.k8s.io/v1alpha1", Kind: "KubeProxyConfiguration"},
		ClientConnection: componentbase.ClientConnectionConfiguration{
			Kubeconfig:  n.PKI() + "/kube-proxy.kubeconfig",
			ContentType: "application/vnd.kubernetes.protobuf",
		},
		Logging:            logsapi.LoggingConfiguration{Format: "text"},
		HostnameOverride:   n.NodeName,
		BindAddress:        n.NodeIP,
		HealthzBindAddress: fmt.Sprintf("127.0.0.1:%d", n.ProxyPort),
		MetricsBindAddress: fmt.Sprintf("127.0.0.1:%d", n.ProxyMetrics),
		Mode:               "nftables",
		NodePortAddresses:  []string{"0.0.0.0/0"},
		ClusterCIDR:        n.ClusterCIDR,
		DetectLocalMode:    "ClusterCIDR",
		OOMScoreAdj:        ptr.To(int32(0)),
		NFTables: kubeproxy.KubeProxyNFTablesConfiguration{
			MasqueradeBit: ptr.To(int32(14)),
			// Zero would mean a second, in which a release that is healthy does not answer.
			MinSyncPeriod: metav1.Duration{Duration: 100 * time.Millisecond},
		},
		Conntrack: kubeproxy.KubeProxyConntrackConfiguration{
			MaxPerCore:            ptr.To(int32(0)),
			Min:                   ptr.To(int32(0)),
			TCPEstablishedTimeout: &metav1.Duration{},
			TCPCloseWaitTimeout:   &metav1.Duration{},
		},
	})
}
