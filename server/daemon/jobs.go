package daemon

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/registry/embedded"
)

// serviceLogs opens the last lines of a container's log.
func serviceLogs(kube kubernetes.Interface) func(ctx context.Context, namespace, pod, container string) (io.ReadCloser, error) {
	return func(ctx context.Context, namespace, pod, container string) (io.ReadCloser, error) {
		return kube.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{
			Container: container, TailLines: ptr.To[int64](200), LimitBytes: ptr.To[int64](wire.MaxServiceLog),
		}).Stream(ctx)
	}
}

// nodeLabels of each node by its name.
func (s *services) nodeLabels(ctx context.Context) (map[string]map[string]string, error) {
	list, err := s.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	labels := map[string]map[string]string{}
	for i := range list.Items {
		labels[list.Items[i].Name] = list.Items[i].Labels
	}
	return labels, nil
}

// imageStore is the embedded registry in the words of jobapi.
type imageStore struct {
	registry *embedded.Registry
	access   registryAccess
}

func (i imageStore) ImageInfo(ctx context.Context, namespace, image string) (jobapi.ImageInfo, error) {
	config, err := i.registry.Config(ctx, namespace, image)
	if err != nil {
		return jobapi.ImageInfo{}, err
	}
	info := jobapi.ImageInfo{Entrypoint: config.Config.Entrypoint}
	for text := range config.Config.ExposedPorts {
		port, protocol, _ := strings.Cut(text, "/")
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && (protocol == "" || protocol == "tcp") {
			info.Ports = append(info.Ports, int(n))
		}
	}
	slices.Sort(info.Ports)
	return info, nil
}

func (i imageStore) Describe(ctx context.Context, namespace, image string) (wire.DockerImage, error) {
	return described(i.registry.Describe(ctx, namespace, image))
}

func (i imageStore) Copy(ctx context.Context, namespace, image, repository, tag string) (wire.DockerImage, error) {
	return described(i.registry.Copy(ctx, namespace, image, repository, tag))
}

func described(h embedded.Held, err error) (wire.DockerImage, error) {
	if err != nil {
		return wire.DockerImage{}, err
	}
	details, err := json.Marshal(h.File.Config)
	return wire.DockerImage{Digest: h.Digest, Config: h.Config, Size: h.Size, Details: details, Created: h.File.Created.UTC().Format(time.RFC3339)}, err
}

func (i imageStore) Login(ctx context.Context, user, password string) error {
	_, err := i.access.Authenticate(ctx, user, password)
	return err
}
