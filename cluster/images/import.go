package images

import (
	"context"
	"errors"
	"fmt"
	"strings"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"slipway.dev/cluster/node/layout"
	"slipway.dev/cluster/payload"
)

const (
	// namespace is the one of containerd's that the kubelet sees.
	namespace   = layout.KubernetesNamespace
	snapshotter = "overlayfs"

	managedLabel, managed = "io.cri-containerd.image", "managed"
	pinnedLabel, pinned   = "io.cri-containerd.pinned", "pinned"
)

// Import makes the named system images (without names, all) present, unpacked
// and pinned in the containerd behind the socket. What is there already costs a
// look-up; what is there in part, as after a full disk, is imported again. Pins
// of earlier versions are taken away, so that the kubelet may collect them.
func Import(ctx context.Context, socket string, p *payload.Payload, names ...string) error {
	if len(names) == 0 {
		names = Names()
	}
	client, err := containerd.New(socket, containerd.WithDefaultNamespace(namespace))
	if err != nil {
		return fmt.Errorf("import system images: containerd at %s: %w", socket, err)
	}
	defer client.Close()
	ctx = namespaces.WithNamespace(ctx, namespace)
	group, ctx2 := errgroup.WithContext(ctx)
	for _, name := range names {
		group.Go(func() error {
			if err := importOne(ctx2, client, p, name); err != nil {
				return fmt.Errorf("import system image %s: %w", name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return unpinOthers(ctx, client.ImageService(), p, names)
}

func importOne(ctx context.Context, client *containerd.Client, p *payload.Payload, name string) error {
	reference, err := Reference(p, name)
	if err != nil {
		return err
	}
	if ok, err := present(ctx, client, reference); ok || err != nil {
		return err
	}
	built, err := Build(p, name)
	if err != nil {
		return err
	}
	ctx, done, err := client.WithLease(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = done(context.WithoutCancel(ctx)) }()
	target, err := writeContent(ctx, client.ContentStore(), built[0])
	if err != nil {
		return err
	}
	labels := map[string]string{managedLabel: managed, pinnedLabel: pinned}
	record := images.Image{Name: reference, Target: target, Labels: labels}
	// Unpacked before it gets its name, so that nobody sees an image that cannot start.
	if err := containerd.NewImage(client, record).Unpack(ctx, snapshotter); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	config, err := built[0].ConfigName()
	if err != nil {
		return err
	}
	// Kubernetes knows an image by the digest of its configuration, too.
	byID := images.Image{Name: config.String(), Target: target, Labels: labels}
	return errors.Join(put(ctx, client.ImageService(), byID), put(ctx, client.ImageService(), record))
}

// present says whether an image is named, pinned, complete and unpacked.
func present(ctx context.Context, client *containerd.Client, reference string) (bool, error) {
	image, err := client.GetImage(ctx, reference)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if image.Labels()[managedLabel] != managed || image.Labels()[pinnedLabel] != pinned {
		return false, nil
	}
	complete, _, _, _, err := images.Check(ctx, client.ContentStore(), image.Target(), image.Platform())
	if err != nil || !complete {
		return false, ignoreNotFound(err)
	}
	unpacked, err := image.IsUnpacked(ctx, snapshotter)
	return unpacked, ignoreNotFound(err)
}

// put creates an image's record, or replaces the one of that name.
func put(ctx context.Context, store images.Store, image images.Image) error {
	_, err := store.Create(ctx, image)
	if errdefs.IsAlreadyExists(err) {
		_, err = store.Update(ctx, image)
	}
	return err
}

// unpinOthers removes the pin of system images of other versions, under their
// names and under their identifiers.
func unpinOthers(ctx context.Context, store images.Store, p *payload.Payload, names []string) error {
	current := make(map[string]bool)
	for _, name := range names {
		reference, err := Reference(p, name)
		if err != nil {
			return err
		}
		current[reference] = true
	}
	all, err := store.List(ctx, fmt.Sprintf("labels.%q==%s", pinnedLabel, pinned))
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	old := make(map[digest.Digest]bool)
	for _, image := range all {
		if ours(image.Name, names) && !current[image.Name] {
			old[image.Target.Digest] = true
		}
	}
	for _, image := range all {
		if current[image.Name] {
			delete(old, image.Target.Digest)
		}
	}
	for _, image := range all {
		outdated := ours(image.Name, names) && !current[image.Name]
		if !outdated && !old[image.Target.Digest] {
			continue
		}
		delete(image.Labels, pinnedLabel)
		if _, err := store.Update(ctx, image, "labels"); ignoreNotFound(err) != nil {
			return fmt.Errorf("unpin %s: %w", image.Name, err)
		}
	}
	return nil
}

// ours says whether a reference is a version of one of the named system images.
func ours(reference string, names []string) bool {
	for _, name := range names {
		if strings.HasPrefix(reference, Repository+"/"+name+":") {
			return true
		}
	}
	return false
}

func ignoreNotFound(err error) error {
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}
