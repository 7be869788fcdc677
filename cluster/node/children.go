package node

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"slipway.dev/cluster/node/config"
	"slipway.dev/cluster/supervise"
)

// children lists the daemons in the order of starting; containerd is the first.
func (n *Node) children(c Config, f config.Node) []supervise.Child {
	path := "PATH=" + c.BinDir + string(os.PathListSeparator) + os.Getenv("PATH")
	children := []supervise.Child{{
		Name:      Containerd,
		Path:      filepath.Join(c.BinDir, "containerd"),
		Args:      []string{"--config", f.ContainerdFile()},
		Env:       []string{path},
		Config:    []string{f.ContainerdFile()},
		Ready:     dials(n.ContainerdSocket()),
		StopGrace: 20 * time.Second,
		// It takes down how containers end. Of those that end while it is away it forgets that
		// they ran, and a job that succeeded meanwhile would have failed with status 255.
		Stays: true,
	}}
	if !c.WithoutBuildkit {
		children = append(children, supervise.Child{
			Name:   Buildkitd,
			Path:   filepath.Join(c.BinDir, "buildkitd"),
			Args:   []string{"--config", f.BuildkitFile()},
			Env:    []string{path},
			Config: []string{f.BuildkitFile(), f.BuildkitCNIFile()},
			Ready:  dials(n.BuildkitSocket()),
		})
	}
	if !c.WithoutKubeProxy {
		children = append(children, supervise.Child{
			Name:   KubeProxy,
			Path:   c.Program,
			Args:   []string{"kube-proxy", "--config", f.ProxyFile()},
			Config: []string{f.ProxyFile(), filepath.Join(n.PKI(), "kube-proxy.kubeconfig")},
			Ready:  answers(c.ProxyHealth, "/livez"),
			// Its watches back off up to a minute while nobody answers, and as long would new
			// services be refused. What it wrote to the kernel stays meanwhile.
			Fresh: true,
		})
	}
	kubeconfig := filepath.Join(n.PKI(), "kubelet.kubeconfig")
	return append(children, supervise.Child{
		Name: Kubelet,
		Path: c.Program,
		Args: []string{"kubelet",
			"--config", f.KubeletFile(),
			"--kubeconfig", f.KubeletWayFile(),
			"--root-dir", f.Layout.Kubelet(),
			"--cert-dir", filepath.Join(f.Layout.Kubelet(), "pki"),
			"--hostname-override", c.NodeName,
			"--node-ip", c.NodeIP,
			"--image-credential-provider-config", f.CredentialFile(),
			"--image-credential-provider-bin-dir", c.BinDir,
		},
		Env: []string{path, "CONTAINERD_ADDRESS=" + f.ContainerdSocket(), "APISERVER_KUBECONFIG=" + kubeconfig},
		// It removes a dead container's log with all that begins like it: of one that somebody
		// made beside it and that has no log, everything in its working directory.
		Dir:    f.KubeletWork(),
		Config: []string{f.KubeletFile(), f.CredentialFile(), kubeconfig},
		Ready:  answers(c.KubeletHealth, "/healthz"),
		Hold:   c.HoldKubelet,
	})
}

// dials is ready when a Unix socket takes connections.
func dials(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// answers is ready when a loopback health endpoint says 200.
func answers(port int, path string) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("health: %s", resp.Status)
		}
		return nil
	}
}
