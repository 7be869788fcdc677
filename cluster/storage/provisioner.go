// Package storage owns the local volumes: a directory of the data directory for each
// claim of the StorageClass "local", on the node that the scheduler chose.
//
// It never uses a name that a user gave for a path, never leaves its directory, and
// never deletes what it did not make. It does not enforce the size that was asked for.
// Start at New.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"slipway.dev/cluster/atomicfile"
)

// ProvisionerName is the provisioner of StorageClass "local".
const ProvisionerName = "slipway.dev/local"

// Provisioner makes and deletes the directories of one node.
type Provisioner struct {
	dir, node  string
	log        *slog.Logger
	controller *controller.ProvisionController
}

// New prepares dir, which only root may enter, for volumes of that node. It comes
// before anything in this process talks to the API server: the library registers
// types with client-go's scheme, which nobody may read meanwhile. ctx ends its events.
func New(ctx context.Context, dir, node string, client kubernetes.Interface, log *slog.Logger) (*Provisioner, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("volumes: %s is not an absolute path", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("volumes: %w", err)
	}
	p := &Provisioner{dir: dir, node: node, log: log}
	p.controller = controller.NewProvisionController(ctx, client, ProvisionerName, p,
		controller.LeaderElection(false),
		controller.MetricsPort(0),
		controller.ExponentialBackOffOnError(true),
		// A claim is tried again for as long as it is there, with growing pauses.
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
	)
	return p, nil
}

// Run serves claims until ctx ends.
func (p *Provisioner) Run(ctx context.Context) { p.controller.Run(ctx) }

// volumeName is what the controller names volumes: pvc- and the UID of the claim.
var volumeName = regexp.MustCompile(`^pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Provision implements controller.Provisioner. It may be repeated after a crash.
func (p *Provisioner) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	claim := o.PVC
	if o.SelectedNodeName != p.node {
		return nil, controller.ProvisioningReschedule, fmt.Errorf("local volumes are on node %s only", p.node)
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode == corev1.ReadWriteMany || mode == corev1.ReadOnlyMany {
			return nil, controller.ProvisioningFinished, fmt.Errorf("access mode %s: a local volume is on one node; use ReadWriteOnce", mode)
		}
	}
	if mode := claim.Spec.VolumeMode; mode != nil && *mode == corev1.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, errors.New("volume mode Block: local volumes are directories; use Filesystem")
	}
	if claim.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, errors.New("a claim with a selector cannot be provisioned; leave it out")
	}
	if err := p.makeDir(o.PVName); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	p.log.Info("volume provisioned", "volume", o.PVName, "namespace", claim.Namespace, "claim", claim.Name)
	return p.volume(o), controller.ProvisioningFinished, nil
}

func (p *Provisioner) makeDir(name string) error {
	if !volumeName.MatchString(name) {
		return fmt.Errorf("volume name %q is not one of ours", name)
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	defer root.Close()
	if err := root.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("volume %s: %w", name, err)
	}
	info, err := root.Lstat(name)
	if err != nil || !info.IsDir() {
		return fmt.Errorf("volume %s: not a directory (%v)", name, err)
	}
	// A pod may run as any user; the directory above keeps others out.
	if err := root.Chmod(name, 0o777); err != nil {
		return fmt.Errorf("volume %s: %w", name, err)
	}
	return atomicfile.SyncDir(p.dir)
}

func (p *Provisioner) volume(o controller.ProvisionOptions) *corev1.PersistentVolume {
	filesystem := corev1.PersistentVolumeFilesystem
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			VolumeMode:                    &filesystem,
			MountOptions:                  o.StorageClass.MountOptions,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: filepath.Join(p.dir, o.PVName)}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{p.node}}},
			}}}},
		},
	}
}

// Delete implements controller.Provisioner. What is already gone is well.
func (p *Provisioner) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	local := pv.Spec.Local
	if local == nil || !volumeName.MatchString(pv.Name) || local.Path != filepath.Join(p.dir, pv.Name) {
		return &controller.IgnoredError{Reason: fmt.Sprintf("volume %s is not in %s", pv.Name, p.dir)}
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	defer root.Close()
	// RemoveAll of a Root removes links, and never follows them.
	if err := root.RemoveAll(pv.Name); err != nil {
		return fmt.Errorf("volume %s: %w", pv.Name, err)
	}
	p.log.Info("volume deleted", "volume", pv.Name)
	return nil
}

var _ controller.Provisioner = (*Provisioner)(nil)
