package daemon

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
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

// imageStore is the embedded registry in the words of jobapi.
type imageStore struct{ *embedded.Registry }

func (i imageStore) ImageInfo(ctx context.Context, namespace, image string) (jobapi.ImageInfo, error) {
	config, err := i.Config(ctx, namespace, image)
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
