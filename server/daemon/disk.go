package daemon

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/disk"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/server/api"
)

// lookAtDisk is how often the disk is looked at for the log and the node's events;
// whoever writes or asks for the status looks for himself.
const lookAtDisk = 5 * time.Second

// openDisk is where everything that takes bytes of users asks whether there is room.
func (s *services) openDisk(context.Context) error {
	s.disk = disk.New(s.conf.DataDir, 0)
	s.state.ask(func(context.Context) []api.Component {
		c := api.Component{Name: "disk", Ready: true}
		if err := s.disk.Room(); err != nil {
			c.Ready, c.Message = false, err.Error()
		} else if free, err := disk.Free(s.conf.DataDir); err == nil {
			c.Message = fmt.Sprintf("%.1f GiB free", float64(free)/(1<<30))
		}
		return []api.Component{c}
	})
	return s.disk.Register(s.metrics)
}

// watchDisk tells the log and the node when room ends and when it is there again.
func (s *services) watchDisk(ctx context.Context) error {
	events := s.manager.GetEventRecorder("slipway")
	// The kubelet names a node by its name in the events' UID; so do the tools that look for them.
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.conf.NodeName, UID: types.UID(s.conf.NodeName)}}
	s.disk.Watch(ctx, lookAtDisk, func(full error) {
		if full != nil {
			s.log.Error("disk", "err", full)
			events.Eventf(node, nil, corev1.EventTypeWarning, "DiskNearlyFull", "Disk", "%s", full)
			return
		}
		s.log.Info("disk: there is room again")
		events.Eventf(node, nil, corev1.EventTypeNormal, "DiskHasRoom", "Disk", "there is room again")
	})
	return nil
}

// artifactStore keeps them while there is room for them.
type artifactStore struct {
	jobapi.Artifacts
	disk *disk.Guard
}

func (a artifactStore) Put(ctx context.Context, namespace, run, name string, r io.Reader, limit int64) error {
	return a.Artifacts.Put(ctx, namespace, run, name, disk.Reader(r, a.disk.Room), limit)
}
