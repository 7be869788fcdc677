package images

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	containerd "github.com/containerd/containerd/v2/client"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubelet "k8s.io/kubelet/config/v1beta1"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/cluster/payload"
)

// grantAll has the kubelet give the named system images to every pod of the node.
//
// Without a record of its own it takes them for preloaded, but only until somebody
// pulls one, as a pod with imagePullPolicy Always does. Then, for as long as that pull
// is under way, and for good when the kubelet is killed during it, each other pod has to
// prove that it could have pulled the image too, by pulling it.
func grantAll(ctx context.Context, client *containerd.Client, kubeletDir string, p *payload.Payload, names []string) error {
	for _, name := range names {
		reference, err := Reference(p, name)
		if err != nil {
			return err
		}
		image, err := client.GetImage(ctx, reference)
		if err != nil {
			return fmt.Errorf("system image %s: %w", reference, err)
		}
		config, err := image.Config(ctx)
		if err != nil {
			return fmt.Errorf("system image %s: %w", reference, err)
		}
		if err := grant(kubeletDir, reference, config.Digest.String()); err != nil {
			return fmt.Errorf("system image %s: record for the kubelet: %w", reference, err)
		}
	}
	return nil
}

// grant writes the record of an image with this ID, unless it says so already. A kubelet
// that runs has read its records when it started and sees it at its next start.
func grant(kubeletDir, reference, id string) error {
	// The kubelet's own names: pkg/kubelet/images/pullmanager, held to by a test.
	dir := filepath.Join(kubeletDir, "image_manager", "pulled")
	file := filepath.Join(dir, fmt.Sprintf("sha256-%x", sha256.Sum256([]byte(id))))
	name := reference[:strings.LastIndexByte(reference, ':')]
	var record kubelet.ImagePulledRecord
	had, err := os.ReadFile(file)
	if err == nil && json.Unmarshal(had, &record) == nil && record.ImageRef == id && record.CredentialMapping[name].NodePodsAccessible {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	raw, err := json.Marshal(kubelet.ImagePulledRecord{
		TypeMeta:          metav1.TypeMeta{APIVersion: kubelet.SchemeGroupVersion.String(), Kind: "ImagePulledRecord"},
		LastUpdatedTime:   metav1.Now(),
		ImageRef:          id,
		CredentialMapping: map[string]kubelet.ImagePullCredentials{name: {NodePodsAccessible: true}},
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return atomicfile.Write(file, raw, 0o600)
}
