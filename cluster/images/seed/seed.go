package seed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"slipway.dev/cluster/images"
	"slipway.dev/cluster/payload"
)

// nameAnnotation is where a layout keeps an image's name.
const nameAnnotation = "org.opencontainers.image.ref.name"

// Sources are the things that base images are made of.
type Sources struct {
	// Payload holds busybox.
	Payload *payload.Payload
	// Debian is the tar of a root file system.
	Debian string
	// GoRoot is an installed Go tree.
	GoRoot string
	// GoCache is a build cache that this Go has filled, as gocache.sh does.
	GoCache string
	// GoVersion such as "1.26.8"; the image is tagged with it and with its minor version.
	GoVersion string
}

// Make writes the base images to the OCI layout at dir, replacing what was there.
func Make(dir string, from Sources) error {
	temporary := dir + ".new"
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	path, err := layout.Write(temporary, empty.Index)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".seed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := fill(path, work, from); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(temporary, dir)
}

func fill(to layout.Path, work string, from Sources) error {
	toolbox, err := images.Build(from.Payload, images.Toolbox)
	if err != nil {
		return err
	}
	busybox, err := ofItsOwn(toolbox[0].Image)
	if err != nil {
		return fmt.Errorf("toolbox: %w", err)
	}
	debian, err := debianImage(work, from.Debian)
	if err != nil {
		return fmt.Errorf("debian image: %w", err)
	}
	golang, err := golangImage(work, debian, from)
	if err != nil {
		return fmt.Errorf("golang image: %w", err)
	}
	for _, set := range []struct {
		image v1.Image
		names []string
	}{
		{busybox, []string{
			"docker.io/library/busybox:latest",
			"docker.io/library/toolbox:latest",
			images.Repository + "/toolbox:latest",
		}},
		{debian, []string{"docker.io/library/debian:bookworm-slim", "docker.io/library/debian:bookworm"}},
		{golang, golangNames(from.GoVersion)},
	} {
		for _, name := range set.names {
			annotation := layout.WithAnnotations(map[string]string{nameAnnotation: name})
			if err := to.AppendImage(set.image, annotation); err != nil {
				return fmt.Errorf("write %s: %w", name, err)
			}
		}
	}
	return nil
}

// Names lists the images of a layout, as they are written in a FROM line with
// everything spelled out. A directory that does not exist holds none.
func Names(dir string) ([]string, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("base images in %s: %w", dir, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("base images in %s: %w", dir, err)
	}
	var names []string
	for _, m := range manifest.Manifests {
		if name := m.Annotations[nameAnnotation]; name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// ofItsOwn gives the image another ID than the system image of the same content: the
// kubelet takes one that was pulled with credentials as pulled under every name, and
// would look the system image up where it is not.
func ofItsOwn(image v1.Image) (v1.Image, error) {
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := *file.Config.DeepCopy()
	config.Labels = map[string]string{"org.opencontainers.image.title": "busybox"}
	return mutate.Config(image, config)
}
