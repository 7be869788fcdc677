package pki

import (
	"bytes"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"slipway.dev/cluster/atomicfile"
)

// ensureKubeconfigs writes one kubeconfig for each identity. Those of components name
// the certificate files, which clients read again when they are renewed; the
// administrator's holds everything, so that it can be copied to another machine.
func ensureKubeconfigs(f *Files, url string) error {
	for path, pair := range map[string]Pair{
		f.SlipwayKubeconfig:           f.slipway,
		f.KubeletKubeconfig:           f.kubelet,
		f.KubeProxyKubeconfig:         f.prox,
		f.ControllerManagerKubeconfig: f.controllerManager,
		f.SchedulerKubeconfig:         f.scheduler,
	} {
		user := &clientcmdapi.AuthInfo{ClientCertificate: pair.Cert, ClientKey: pair.Key}
		if err := writeKubeconfig(path, &clientcmdapi.Cluster{Server: url, CertificateAuthority: f.CA}, user); err != nil {
			return err
		}
	}
	var data [3][]byte
	for i, path := range []string{f.CA, f.admin.Cert, f.admin.Key} {
		var err error
		if data[i], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	return writeKubeconfig(f.AdminKubeconfig,
		&clientcmdapi.Cluster{Server: url, CertificateAuthorityData: data[0]},
		&clientcmdapi.AuthInfo{ClientCertificateData: data[1], ClientKeyData: data[2]})
}

func writeKubeconfig(path string, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) error {
	c := clientcmdapi.NewConfig()
	c.Clusters["slipway"] = cluster
	name := filepath.Base(path[:len(path)-len(".kubeconfig")])
	c.AuthInfos[name] = user
	c.Contexts["slipway"] = &clientcmdapi.Context{Cluster: "slipway", AuthInfo: name}
	c.CurrentContext = "slipway"
	data, err := clientcmd.Write(*c)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, data) {
		return os.Chmod(path, 0o600)
	}
	return atomicfile.Write(path, data, 0o600)
}
