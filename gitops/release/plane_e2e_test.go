//go:build e2e

package release

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"slipway.dev/cluster/addons"
	"slipway.dev/cluster/api/crds"
	kube "slipway.dev/cluster/client"
	"slipway.dev/cluster/controlplane"
	"slipway.dev/cluster/pki"
)

// plane is a real control plane with one tenant, and a kubelet that only pretends. It is
// a process of its own, as one can be started once in a process, and this one is killed.
type plane struct {
	dir string
	cmd *exec.Cmd

	// admin may do everything; server is Slipway's own identity.
	admin, server *rest.Config
	client        client.WithWatch
	kube          kubernetes.Interface
	scheme        *runtime.Scheme
}

// TestOnARealControlPlane starts it once for all.
func TestOnARealControlPlane(t *testing.T) {
	p := startPlane(t)
	t.Run("releases", func(t *testing.T) { testReleases(t, p) })
	t.Run("sync", func(t *testing.T) { testSync(t, p) })
	t.Run("faults", func(t *testing.T) { testFaults(t, p) })
	t.Run("outage", func(t *testing.T) { testOutage(t, p) })
}

// servePlane is the process of a control plane: it says that it is ready, and goes on
// until it is killed or its parent is gone.
func servePlane(dir string) error {
	cp, err := controlplane.Start(context.Background(), controlplane.Config{DataDir: dir, PKI: planePKI(dir), NodeIP: net.ParseIP("10.41.0.1"),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return <-cp.Failed()
}

func planePKI(dir string) *pki.Files {
	files, err := pki.Ensure(dir+"/pki", pki.Options{NodeName: "e2e", NodeIP: net.ParseIP("10.41.0.1"), ServiceIP: net.ParseIP("10.43.0.1")})
	if err != nil {
		panic(err)
	}
	return files
}

// boot the process, also again on the same data, and wait until it is ready.
func (p *plane) boot(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command(os.Args[0], "plane", p.dir)
	p.cmd.Stderr = os.Stderr
	_, err := p.cmd.StdinPipe() // it ends with this process
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
}

// kill the process as kill -9 does.
func (p *plane) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func startPlane(t *testing.T) *plane {
	t.Helper()
	ctrllog.SetLogger(logr.Discard())
	ctx := t.Context()
	p := &plane{scheme: kube.Scheme, dir: t.TempDir()}
	files := planePKI(p.dir)
	p.boot(t)
	t.Cleanup(func() { p.kill() })
	var err error
	p.admin, err = kube.Load(files.AdminKubeconfig, "e2e")
	require.NoError(t, err)
	p.server, err = kube.Load(files.SlipwayKubeconfig, "server")
	require.NoError(t, err)
	require.NoError(t, crds.Install(ctx, p.admin))
	p.client, err = kube.New(p.admin)
	require.NoError(t, err)
	require.NoError(t, addons.Install(ctx, p.client, addons.Options{DNSImage: "coredns:e2e"}))
	require.NoError(t, addons.EnsureTenant(ctx, p.client, "default"))
	p.kube = kubernetes.NewForConfigOrDie(p.admin)
	addNode(t, p.kube)
	go kubelet(ctx, p.kube)
	go heartbeat(ctx, p.kube)
	return p
}
