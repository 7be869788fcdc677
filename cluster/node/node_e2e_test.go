//go:build e2e

package node_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"slipway.dev/cluster/controlplane"
	"slipway.dev/cluster/network"
	"slipway.dev/cluster/node"
	"slipway.dev/cluster/node/command"
	"slipway.dev/cluster/pki"
	"slipway.dev/cluster/preflight"
	"slipway.dev/cluster/reset"
	"slipway.dev/cluster/supervise"
)

const (
	sandboxImage = "registry.slipway.internal/slipway-system/pause:1"
	toolboxImage = "registry.slipway.internal/slipway-system/busybox:1"
)

// TestMain lets the test binary be the program that node starts again as kubelet
// and kube-proxy.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "kubelet":
			c := command.Kubelet(context.Background())
			c.SetArgs(os.Args[2:])
			exit(c.Execute())
		case "kube-proxy":
			c := command.KubeProxy()
			c.SetArgs(os.Args[2:])
			exit(c.Execute())
		}
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// TestNode runs a whole node with a control plane, in a network namespace of its
// own: a pod is reached by a service and by a NodePort, survives a stop of all
// daemons, and reset leaves nothing. SLIPWAY_PAYLOAD names the directory with
// the daemons.
func TestNode(t *testing.T) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	dir, err := os.MkdirTemp("", "slipway-node")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	t.Cleanup(func() {
		if t.Failed() {
			for _, f := range []string{"containerd", "kubelet", "kube-proxy", "buildkitd"} {
				data, _ := os.ReadFile(filepath.Join(dir, "logs", f+".log"))
				if len(data) > 6000 {
					data = data[len(data)-6000:]
				}
				t.Logf("%s:\n%s", f, data)
			}
		}
		if _, err := os.Stat(dir); err != nil {
			return
		}
		if err := reset.Run(context.Background(), dir, true); err != nil {
			t.Errorf("reset: %v", err)
		}
	})
	require.Empty(t, check(ctx, dir))
	began := time.Now()
	setup, err := network.Setup(ctx, network.Config{DataDir: dir, PodCIDR: "10.42.0.0/16", ServiceCIDR: "10.43.0.0/16",
		Jobs: network.Jobs{DNS: "10.43.0.10", FrontDoor: ":8443", Outside: network.Public}})
	require.NoError(t, err)
	require.Empty(t, setup.Warnings)
	ip := net.IP(setup.NodeIP.AsSlice())
	files, err := pki.Ensure(dir+"/pki", pki.Options{NodeName: "e2e", NodeIP: ip, ServiceIP: net.ParseIP("10.43.0.1")})
	require.NoError(t, err)
	gates := map[string]bool{"EventedPLEG": true}
	cp, err := controlplane.Start(ctx, controlplane.Config{DataDir: dir, PKI: files, NodeIP: ip, Log: log, FeatureGates: gates})
	require.NoError(t, err)
	t.Cleanup(cp.Stop)
	t.Logf("control plane ready after %s", time.Since(began))

	config := node.Config{
		DataDir: dir, BinDir: payload(t, dir), NodeName: "e2e", NodeIP: ip.String(), ClusterDNS: "10.43.0.10",
		PodCIDR: "10.42.0.0/16", SandboxImage: sandboxImage, Log: log, AfterContainerd: importImages,
	}
	n, err := node.Start(ctx, config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = n.Stop(context.Background()) })
	t.Logf("daemons ready after %s", time.Since(began))
	rc, err := cp.AdminConfig()
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(rc)
	require.NoError(t, err)
	eventually(t, ctx, "node Ready", func() bool {
		got, err := client.CoreV1().Nodes().Get(ctx, "e2e", metav1.GetOptions{})
		return err == nil && nodeReady(got)
	})
	t.Logf("node ready after %s", time.Since(began))

	svc := serve(t, ctx, client)
	t.Logf("pod ready after %s", time.Since(began))
	for _, url := range []string{
		"http://" + svc.Spec.ClusterIP,
		"http://" + net.JoinHostPort(ip.String(), strconv.Itoa(int(svc.Spec.Ports[0].NodePort))),
	} {
		eventually(t, ctx, url, func() bool { return get(ctx, url) == "hello" })
	}
	before := podStatus(t, ctx, client)
	build(t, ctx, n, dir)
	require.Empty(t, check(ctx, dir), "preflight objects to our own daemons")

	// Every daemon killed: they come back, the pod never notices.
	for _, child := range n.State() {
		require.NoError(t, syscall.Kill(child.PID, syscall.SIGKILL))
	}
	eventually(t, ctx, "daemons back", func() bool {
		return !slices.ContainsFunc(n.State(), func(s supervise.State) bool { return s.Restarts == 0 || !s.Ready })
	})
	require.Equal(t, "hello", get(ctx, "http://"+svc.Spec.ClusterIP))

	// A stop of every daemon and another start: the pod never notices.
	require.NoError(t, n.Stop(ctx))
	require.Equal(t, "hello", get(ctx, "http://"+before.PodIP+":8080"))
	n, err = node.Start(ctx, config)
	require.NoError(t, err)
	eventually(t, ctx, "node Ready again", func() bool {
		got, err := client.CoreV1().Nodes().Get(ctx, "e2e", metav1.GetOptions{})
		return err == nil && nodeReady(got)
	})
	after := podStatus(t, ctx, client)
	require.Equal(t, before.ContainerStatuses[0].ContainerID, after.ContainerStatuses[0].ContainerID)
	require.Zero(t, after.ContainerStatuses[0].RestartCount)

	require.NoError(t, n.Stop(ctx))
	cp.Stop()
	target, err := reset.Open(dir)
	require.NoError(t, err)
	require.NoError(t, target.Run(ctx, true))
	left, err := target.Left(ctx)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoDirExists(t, dir)
}

func check(ctx context.Context, dir string) []preflight.Problem {
	return preflight.Check(ctx, preflight.Config{DataDir: dir, PodCIDR: "10.42.0.0/16", ServiceCIDR: "10.43.0.0/16",
		Ports: []string{":6443", "127.0.0.1:2379", ":10250", "127.0.0.1:10248"}})
}

// build runs a step on the pod network.
func build(t *testing.T, ctx context.Context, n *node.Node, dir string) {
	t.Helper()
	source := filepath.Join(dir, "source")
	require.NoError(t, os.MkdirAll(source, 0o755))
	busybox, err := os.ReadFile(filepath.Join(os.Getenv("SLIPWAY_PAYLOAD"), "busybox"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(source, "busybox"), busybox, 0o755))
	dockerfile := "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"ip\", \"addr\"]\n"
	require.NoError(t, os.WriteFile(filepath.Join(source, "Dockerfile"), []byte(dockerfile), 0o644))
	out, err := exec.CommandContext(ctx, filepath.Join(os.Getenv("SLIPWAY_PAYLOAD"), "buildctl"), "--addr", "unix://"+n.BuildkitSocket(), "build",
		"--frontend", "dockerfile.v0", "--local", "context="+source, "--local", "dockerfile="+source, "--progress", "plain", "--no-cache").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "inet 10.42.", "not on the pod network")
	require.NotContains(t, string(out), "slipway0", "on the host's network")
}

func serve(t *testing.T, ctx context.Context, client kubernetes.Interface) *corev1.Service {
	t.Helper()
	labels := map[string]string{"app": "web"}
	eventually(t, ctx, "the default service account", func() bool {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	_, err := client.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "web", Image: toolboxImage, ImagePullPolicy: corev1.PullIfNotPresent,
			Command:        []string{"/bin/busybox", "sh", "-c", "mkdir /w && printf hello > /w/index.html && exec /bin/busybox httpd -f -p 8080 -h /w"},
			ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(8080)}}},
		}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	svc, err := client.CoreV1().Services("default").Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Selector: labels,
			Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, ctx, "pod ready", func() bool {
		st := podStatus(t, ctx, client)
		return len(st.ContainerStatuses) == 1 && st.ContainerStatuses[0].Ready
	})
	return svc
}

func podStatus(t *testing.T, ctx context.Context, client kubernetes.Interface) corev1.PodStatus {
	t.Helper()
	pod, err := client.CoreV1().Pods("default").Get(ctx, "web", metav1.GetOptions{})
	require.NoError(t, err)
	return pod.Status
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func get(ctx context.Context, url string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// payload lays out the daemons as an installation has them.
func payload(t *testing.T, dir string) string {
	t.Helper()
	from := os.Getenv("SLIPWAY_PAYLOAD")
	require.NotEmpty(t, from, "SLIPWAY_PAYLOAD must name the directory with the daemons")
	bin := filepath.Join(dir, "bin", "test")
	require.NoError(t, os.MkdirAll(filepath.Dir(bin), 0o755))
	out, err := exec.Command("cp", "-a", from, bin).CombinedOutput()
	require.NoError(t, err, string(out))
	credential := filepath.Join(bin, "slipway-credential")
	if _, err := os.Stat(credential); err != nil {
		require.NoError(t, os.WriteFile(credential, []byte("#!/bin/sh\nexit 1\n"), 0o755))
	}
	return bin
}

// importImages makes the two images from programs of the payload.
func importImages(ctx context.Context, socket string) error {
	client, err := containerd.New(socket, containerd.WithDefaultNamespace("k8s.io"))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx = namespaces.WithNamespace(ctx, "k8s.io")
	for ref, program := range map[string]string{sandboxImage: "pause", toolboxImage: "busybox"} {
		image, err := imageOf(program)
		if err != nil {
			return err
		}
		tag, err := name.NewTag(ref)
		if err != nil {
			return err
		}
		var archive bytes.Buffer
		if err := tarball.Write(tag, image, &archive); err != nil {
			return err
		}
		images, err := client.Import(ctx, &archive)
		if err != nil {
			return err
		}
		for _, i := range images {
			if err := containerd.NewImage(client, i).Unpack(ctx, "overlayfs"); err != nil {
				return err
			}
		}
	}
	return nil
}

func imageOf(program string) (v1.Image, error) {
	data, err := os.ReadFile(filepath.Join(os.Getenv("SLIPWAY_PAYLOAD"), program))
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for _, d := range []string{"bin/", "tmp/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d, Mode: 0o755}); err != nil {
			return nil, err
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "bin/" + program, Mode: 0o755, Size: int64(len(data))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	file.Config.Entrypoint = []string{"/bin/" + program}
	return mutate.ConfigFile(image, file)
}

// eventually polls until ok, or fails when ctx ends.
func eventually(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}
