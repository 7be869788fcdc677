// Package pki owns the identities of a cluster: its certificate authorities, the
// service account key, every certificate and every kubeconfig file, all below one
// directory that only root may read.
//
// It never replaces an authority or the service account key: what was signed by
// them would stop working, so a half-lost directory is an error that says which
// file to restore. Leaf certificates are renewed when they come near their end or
// when their names change, with the same key, so that a reader of both files never
// sees a pair that does not fit.
//
// Start at Ensure.
package pki

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Options say for whom the certificates are.
type Options struct {
	// NodeName of this machine, as Kubernetes knows it.
	NodeName string
	// NodeIP of this machine.
	NodeIP net.IP
	// ServiceIP is the first address of the service range: kubernetes.default.
	ServiceIP net.IP
	// Hosts are further names and addresses of the API server and the front door.
	Hosts []string
	// APIPort that kubeconfig files point to, on loopback. 0: 6443.
	APIPort int
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// Renewed is told of each certificate file that was signed. May be nil.
	Renewed func(file string)
}

// Files are the paths of what Ensure made.
type Files struct {
	Dir string

	CA, CAKey                     string
	FrontProxyCA, EtcdCA          string
	ServiceAccountKey             string
	ServiceAccountPub             string
	APIServer, KubeletServing     Pair
	APIServerKubeletClient        Pair
	APIServerEtcdClient           Pair
	FrontProxyClient              Pair
	EtcdServer, EtcdPeer          Pair
	Front                         Pair
	AdminKubeconfig               string
	SlipwayKubeconfig             string
	KubeletKubeconfig             string
	KubeProxyKubeconfig           string
	ControllerManagerKubeconfig   string
	SchedulerKubeconfig           string
	controllerManager, scheduler  Pair
	admin, slipway, kubelet, prox Pair
}

// Pair is a certificate and its key.
type Pair struct{ Cert, Key string }

const (
	caValidity   = 10 * 365 * 24 * time.Hour
	leafValidity = 365 * 24 * time.Hour
	// renewBefore the end of a leaf certificate.
	renewBefore = 120 * 24 * time.Hour
)

// Identities that this package gives out and others bind roles to.
const (
	// ServerUser is the server's own identity; not a member of system:masters.
	ServerUser  = "slipway:server"
	ServerGroup = "slipway:servers"
	// KubeletClientUser is who the API server is towards kubelets.
	KubeletClientUser = "slipway:apiserver-kubelet-client"
)

// FilesIn are the paths below dir, whether they exist or not.
func FilesIn(dir string) *Files {
	p := func(name string) string { return filepath.Join(dir, name) }
	pair := func(name string) Pair { return Pair{Cert: p(name + ".crt"), Key: p(name + ".key")} }
	return &Files{
		Dir: dir,
		CA:  p("ca.crt"), CAKey: p("ca.key"),
		FrontProxyCA: p("front-proxy-ca.crt"), EtcdCA: p("etcd-ca.crt"),
		ServiceAccountKey: p("service-account.key"), ServiceAccountPub: p("service-account.pub"),
		APIServer: pair("apiserver"), KubeletServing: pair("kubelet-serving"),
		APIServerKubeletClient: pair("apiserver-kubelet-client"),
		APIServerEtcdClient:    pair("apiserver-etcd-client"),
		FrontProxyClient:       pair("front-proxy-client"),
		EtcdServer:             pair("etcd-server"), EtcdPeer: pair("etcd-peer"),
		Front:             pair("front"),
		controllerManager: pair("controller-manager"), scheduler: pair("scheduler"),
		admin: pair("admin"), slipway: pair("slipway"), kubelet: pair("kubelet"), prox: pair("kube-proxy"),
		AdminKubeconfig: p("admin.kubeconfig"), SlipwayKubeconfig: p("slipway.kubeconfig"),
		KubeletKubeconfig: p("kubelet.kubeconfig"), KubeProxyKubeconfig: p("kube-proxy.kubeconfig"),
		ControllerManagerKubeconfig: p("controller-manager.kubeconfig"),
		SchedulerKubeconfig:         p("scheduler.kubeconfig"),
	}
}

// Ensure makes what is missing below dir and renews what is near its end. It may be
// called again at any time, also while the files are in use, and after a crash at
// any point of an earlier call.
func Ensure(dir string, o Options) (*Files, error) {
	if o.NodeName == "" || o.NodeIP == nil || o.ServiceIP == nil {
		return nil, errors.New("pki: node name, node address and service address are needed")
	}
	if o.APIPort == 0 {
		o.APIPort = 6443
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	f := FilesIn(dir)
	now := o.Now()
	cas := map[string]*authority{}
	for file, name := range map[string]string{"ca": "slipway-ca", "etcd-ca": "slipway-etcd-ca", "front-proxy-ca": "slipway-front-proxy-ca"} {
		ca, err := ensureCA(filepath.Join(dir, file), name, now)
		if err != nil {
			return nil, fmt.Errorf("pki: %w", err)
		}
		cas[file] = ca
	}
	if err := ensureServiceAccountKey(f.ServiceAccountKey, f.ServiceAccountPub); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	for _, l := range leaves(f, o) {
		if err := ensureLeaf(cas[l.ca], l, now, o.Renewed); err != nil {
			return nil, fmt.Errorf("pki: %w", err)
		}
	}
	url := "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(o.APIPort))
	if err := ensureKubeconfigs(f, url); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return f, nil
}
