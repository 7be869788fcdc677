package daemon

import (
	"context"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"slipway.dev/cluster/node"
	"slipway.dev/server/config"
)

// holdKubelet asks the pods of this node how long a start of its kubelet has to wait.
func (c *cluster) holdKubelet(conf config.Config, log *slog.Logger) func() time.Duration {
	return func() time.Duration {
		client, err := kubernetes.NewForConfig(c.config)
		if err != nil {
			return 0
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + conf.NodeName, ResourceVersion: "0"})
		if apierrors.IsForbidden(err) { // a new cluster, without our roles: it has no pods
			return 0
		}
		if err != nil {
			log.Warn("kubelet starts without a look at young pods", "err", err)
			return 0
		}
		return node.Unproven(pods.Items, time.Now())
	}
}
