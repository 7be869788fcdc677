package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"slipway.dev/cluster/node/layout"
)

// containers measures what is below Kubernetes: sandboxes and containers that end at
// once, asked of containerd by the same interface that the kubelet uses.
func (b *bench) containers(ctx context.Context, in *instance) error {
	conn, err := grpc.NewClient("unix://"+filepath.Join(in.dir, "run", "containerd.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	l, err := layout.New(in.dir)
	if err != nil {
		return err
	}
	// In the server's own cgroup, where `slipway reset` finds what an interruption left.
	c := &containerd{RuntimeServiceClient: cri.NewRuntimeServiceClient(conn), cgroup: "/" + l.CgroupName() + "/bench", logs: filepath.Join(l.Logs(), "bench"), every: 2 * time.Millisecond}
	images, err := cri.NewImageServiceClient(conn).ListImages(ctx, &cri.ListImagesRequest{})
	if err != nil {
		return err
	}
	for _, i := range images.Images {
		if slices.ContainsFunc(i.RepoTags, func(t string) bool { return strings.Contains(t, "toolbox") || strings.Contains(t, "busybox") }) {
			c.image = i.Id
		}
	}
	if c.image == "" {
		return errors.New("the node has no toolbox image")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, containersLimit, errors.New("containers take too long"))
	defer cancel()
	proceed, err := in.holdKubelet()
	if err != nil {
		return err
	}
	defer proceed()
	for i := range 6 {
		for _, n := range []int{1, 2} {
			took, err := c.pod(ctx, fmt.Sprintf("bench-%d-%d", i, n), n)
			if err != nil {
				return err
			}
			if i > 0 {
				b.report.add(containersAlone[n], "s", took.Seconds())
			}
		}
	}
	began := time.Now()
	for i := range 10 {
		if _, err := c.pod(ctx, fmt.Sprint("bench-row-", i), 2); err != nil {
			return err
		}
	}
	b.report.add("ten of these one after the other, taken away again", "s", time.Since(began).Seconds())
	return nil
}

// containersLimit is for all of them, while the kubelet is held.
const containersLimit = 3 * time.Minute

// holdKubelet lets the kubelet do nothing until proceed: it would end pods that it was not
// told of.
func (in *instance) holdKubelet() (proceed func(), err error) {
	for pid := range processes(in.dir) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || !bytes.Contains(line, []byte("\x00kubelet\x00")) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			return nil, fmt.Errorf("kubelet %d: %w", pid, err)
		}
		return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }, nil
	}
	return nil, errors.New("no kubelet runs")
}

// containersAlone are what the pod of one job is made of, without Kubernetes.
var containersAlone = map[int]string{
	1: "a sandbox and one container through containerd alone",
	2: "a sandbox and two containers, as a job's pod has, through containerd alone",
}

type containerd struct {
	cri.RuntimeServiceClient
	image, cgroup, logs string
	// every is how often it is asked whether a container has ended.
	every time.Duration
}

// pod makes a sandbox and containers in it one after the other, each of which ends at once,
// and takes them away again. It says how long until the last has ended.
func (c *containerd) pod(ctx context.Context, name string, containers int) (took time.Duration, err error) {
	began := time.Now()
	sandbox := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: name, Namespace: "bench", Uid: name}, Hostname: name,
		// The kubelet, which goes on in the end, would take a container without a log path for
		// one whose log is everything.
		LogDirectory: filepath.Join(c.logs, name),
		Linux:        &cri.LinuxPodSandboxConfig{CgroupParent: c.cgroup},
	}
	pod, err := c.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: sandbox})
	if err != nil {
		return 0, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute) // also when interrupted
		defer cancel()
		_, stopped := c.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: pod.PodSandboxId})
		_, removed := c.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: pod.PodSandboxId})
		err = errors.Join(err, stopped, removed)
	}()
	for i := range containers {
		made, err := c.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: pod.PodSandboxId, SandboxConfig: sandbox, Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: fmt.Sprint("c", i)}, LogPath: fmt.Sprintf("c%d.log", i), Image: &cri.ImageSpec{Image: c.image}, Command: []string{"true"}, Linux: &cri.LinuxContainerConfig{},
		}})
		if err != nil {
			return 0, err
		}
		if _, err := c.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: made.ContainerId}); err != nil {
			return 0, err
		}
		if err := c.ended(ctx, made.ContainerId); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

func (c *containerd) ended(ctx context.Context, id string) error {
	for end := time.Now().Add(time.Minute); ; {
		s, err := c.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: id})
		if err != nil {
			return err
		}
		if s.Status.State == cri.ContainerState_CONTAINER_EXITED {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("container %s does not end: %s", id, s.Status.State)
		}
		if err := pause(ctx, c.every); err != nil {
			return err
		}
	}
}
