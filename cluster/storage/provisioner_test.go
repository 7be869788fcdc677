package storage

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const name = "pvc-0f3c7f4e-1111-2222-3333-444455556666"

func provisioner(t *testing.T) (*Provisioner, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "volumes")
	p, err := New(t.Context(), dir, "node-1", fake.NewClientset(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return p, dir
}

func request(change func(*controller.ProvisionOptions)) controller.ProvisionOptions {
	o := controller.ProvisionOptions{
		PVName:           name,
		StorageClass:     &storagev1.StorageClass{ReclaimPolicy: ptr.To(corev1.PersistentVolumeReclaimDelete)},
		SelectedNodeName: "node-1",
		PVC: &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}},
	}
	if change != nil {
		change(&o)
	}
	return o
}

func TestProvisionAndDelete(t *testing.T) {
	p, dir := provisioner(t)
	pv, state, err := p.Provision(t.Context(), request(nil))
	require.NoError(t, err)
	require.Equal(t, controller.ProvisioningFinished, state)
	require.Equal(t, filepath.Join(dir, name), pv.Spec.Local.Path)
	info, err := os.Stat(pv.Spec.Local.Path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o777), info.Mode().Perm())

	require.NoError(t, os.WriteFile(filepath.Join(pv.Spec.Local.Path, "data"), []byte("x"), 0o600))
	_, _, err = p.Provision(t.Context(), request(nil))
	require.NoError(t, err, "a repeat after a crash")
	require.FileExists(t, filepath.Join(pv.Spec.Local.Path, "data"))

	require.NoError(t, p.Delete(t.Context(), pv))
	require.NoDirExists(t, pv.Spec.Local.Path)
	require.NoError(t, p.Delete(t.Context(), pv), "a repeat after a crash")
}

func TestRefused(t *testing.T) {
	p, _ := provisioner(t)
	for what, change := range map[string]func(*controller.ProvisionOptions){
		"other node":    func(o *controller.ProvisionOptions) { o.SelectedNodeName = "" },
		"ReadWriteMany": func(o *controller.ProvisionOptions) { o.PVC.Spec.AccessModes[0] = corev1.ReadWriteMany },
		"Block":         func(o *controller.ProvisionOptions) { o.PVC.Spec.VolumeMode = ptr.To(corev1.PersistentVolumeBlock) },
		"name":          func(o *controller.ProvisionOptions) { o.PVName = "pvc-../../etc" },
	} {
		_, _, err := p.Provision(t.Context(), request(change))
		require.Error(t, err, what)
	}
}

// Threats 1 and 2: a volume that points or links elsewhere does not delete elsewhere.
func TestDeleteStaysInside(t *testing.T) {
	p, dir := provisioner(t)
	outside := filepath.Join(t.TempDir(), "keep")
	require.NoError(t, os.WriteFile(outside, []byte("x"), 0o600))
	pv, _, err := p.Provision(t.Context(), request(nil))
	require.NoError(t, err)

	for _, path := range []string{filepath.Dir(outside), dir, filepath.Join(dir, "..", "x"), "/"} {
		other := pv.DeepCopy()
		other.Spec.Local.Path = path
		var ignored *controller.IgnoredError
		require.ErrorAs(t, p.Delete(t.Context(), other), &ignored)
	}
	require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(dir, name, "link")))
	require.NoError(t, p.Delete(t.Context(), pv))
	require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(dir, name)))
	_, _, err = p.Provision(t.Context(), request(nil))
	require.Error(t, err, "a link in the place of the directory")
	require.NoError(t, p.Delete(t.Context(), pv))
	require.FileExists(t, outside)
}
