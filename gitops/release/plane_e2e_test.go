//go:build e2e

package release

import (
	"log/slog"
	"net"
	"os"
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

// plane is a real control plane with one tenant, and a kubelet that only pretends.
type plane struct {
	// admin may do everything; server is Slipway's own identity.
	admin, server *rest.Config
	client        client.WithWatch
	kube          kubernetes.Interface
	scheme        *runtime.Scheme
}

// TestOnARealControlPlane starts it once: a process can have one only.
func TestOnARealControlPlane(t *testing.T) {
	p := startPlane(t)
	t.Run("releases", func(t *testing.T) { testReleases(t, p) })
	t.Run("sync", func(t *testing.T) { testSync(t, p) })
	t.Run("faults", func(t *testing.T) { testFaults(t, p) })
}

func startPlane(t *testing.T) *plane {
	t.Helper()
	ctrllog.SetLogger(logr.Discard())
	ctx, dir := t.Context(), t.TempDir()
	files, err := pki.Ensure(dir+"/pki", pki.Options{NodeName: "e2e", NodeIP: net.ParseIP("10.41.0.1"), ServiceIP: net.ParseIP("10.43.0.1")})
	require.NoError(t, err)
	cp, err := controlplane.Start(ctx, controlplane.Config{DataDir: dir, PKI: files, NodeIP: net.ParseIP("10.41.0.1"),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	require.NoError(t, err)
	t.Cleanup(cp.Stop)
	p := &plane{scheme: kube.Scheme}
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
	go kubelet(ctx, t, p.kube)
	go heartbeat(ctx, p.kube)
	return p
}
