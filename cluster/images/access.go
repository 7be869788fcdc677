package images

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

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
	current := make(map[string]bool)
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
		current[config.Digest.String()] = true
		if err := grant(kubeletDir, reference, config.Digest.String()); err != nil {
			return fmt.Errorf("system image %s: record for the kubelet: %w", reference, err)
		}
	}
	return revoke(kubeletDir, current)
}

// lasting is the date of our records. When the kubelet has collected images it drops every
// record that is older and not of one that it considered, which pinned images never are.
var lasting = metav1.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)

// records is where the kubelet keeps them, and under which name by an image's ID:
// pkg/kubelet/images/pullmanager, held to by a test.
func records(kubeletDir string) string { return filepath.Join(kubeletDir, "image_manager", "pulled") }

func recordName(id string) string { return fmt.Sprintf("sha256-%x", sha256.Sum256([]byte(id))) }

// grant writes the record of an image with this ID, unless it says so already. A kubelet
// that runs has read its records when it started and sees it at its next start.
func grant(kubeletDir, reference, id string) error {
	file := filepath.Join(records(kubeletDir), recordName(id))
	name := reference[:strings.LastIndexByte(reference, ':')]
	had, err := readRecord(file)
	if err == nil && had.ImageRef == id && had.CredentialMapping[name].NodePodsAccessible && had.LastUpdatedTime.Equal(&lasting) {
		return nil
	}
	raw, err := json.Marshal(kubelet.ImagePulledRecord{
		TypeMeta:          metav1.TypeMeta{APIVersion: kubelet.SchemeGroupVersion.String(), Kind: "ImagePulledRecord"},
		LastUpdatedTime:   lasting,
		ImageRef:          id,
		CredentialMapping: map[string]kubelet.ImagePullCredentials{name: {NodePodsAccessible: true}},
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(file, raw, 0o600)
}

// revoke takes away our records of other versions, which nothing else would.
func revoke(kubeletDir string, current map[string]bool) error {
	files, err := filepath.Glob(filepath.Join(records(kubeletDir), "sha256-*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		// What cannot be read is the kubelet's to complain about.
		if r, err := readRecord(file); err != nil || !r.LastUpdatedTime.Equal(&lasting) || current[r.ImageRef] {
			continue
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func readRecord(file string) (r kubelet.ImagePulledRecord, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(raw, &r)
}
