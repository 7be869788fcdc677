package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// containers measures what is below Kubernetes: a sandbox and one container that
// ends at once, asked of containerd by the same interface that the kubelet uses.
func (b *bench) containers(ctx context.Context, in *instance) error {
	conn, err := grpc.NewClient("unix://"+filepath.Join(in.dir, "run", "containerd.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	c := &containerd{cri.NewRuntimeServiceClient(conn), ""}
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
	for i := range 6 {
		took, err := c.once(ctx, i)
		if err != nil {
			return err
		}
		if i > 0 {
			b.report.add("a sandbox and one container through containerd alone", "s", took.Seconds())
		}
	}
	return nil
}

type containerd struct {
	cri.RuntimeServiceClient
	image string
}

func (c *containerd) once(ctx context.Context, n int) (took time.Duration, err error) {
	began := time.Now()
	name := fmt.Sprintf("bench-%d", n)
	sandbox := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: name, Namespace: "bench", Uid: name}, Hostname: name,
		Linux: &cri.LinuxPodSandboxConfig{},
	}
	pod, err := c.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: sandbox})
	if err != nil {
		return 0, err
	}
	defer func() {
		_, stopped := c.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: pod.PodSandboxId})
		_, removed := c.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: pod.PodSandboxId})
		err = errors.Join(err, stopped, removed)
	}()
	made, err := c.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: pod.PodSandboxId, SandboxConfig: sandbox, Config: &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: "c"}, Image: &cri.ImageSpec{Image: c.image}, Command: []string{"true"}, Linux: &cri.LinuxContainerConfig{},
	}})
	if err != nil {
		return 0, err
	}
	if _, err := c.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: made.ContainerId}); err != nil {
		return 0, err
	}
	for end := time.Now().Add(30 * time.Second); ; {
		s, err := c.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: made.ContainerId})
		if err != nil {
			return 0, err
		}
		if s.Status.State == cri.ContainerState_CONTAINER_EXITED {
			return time.Since(began), nil
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("container %s does not end: %s", made.ContainerId, s.Status.State)
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return 0, err
		}
	}
}
