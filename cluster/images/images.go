package images

import (
	"fmt"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway.dev/cluster/payload"
)

// Repository is where system images are named. They are present on every node, where
// the kubelet gives them to every pod (cluster/node/config), and need not be pulled.
const Repository = "registry.slipway.internal/system"

// The names of the system images, for References, Reference and Build.
const (
	Pause   = "pause"
	CoreDNS = "coredns"
	Runner  = "runner"
	Toolbox = "toolbox"
)

const architecture = runtime.GOARCH

// Names lists the system images.
func Names() []string { return []string{Pause, CoreDNS, Runner, Toolbox} }

// Reference is the full name of a system image as made from the payload, such
// as registry.slipway.internal/system/pause:0123456789abcdef. It reads no
// image data, so it is cheap.
func Reference(p *payload.Payload, name string) (string, error) {
	r, ok := recipes[name]
	if !ok {
		return "", fmt.Errorf("system image %q: not known; known: %v", name, Names())
	}
	tag, err := r.tag(p)
	if err != nil {
		return "", fmt.Errorf("system image %s: %w", name, err)
	}
	return Repository + "/" + name + ":" + tag, nil
}

// References maps each of the names to its full name.
func References(p *payload.Payload) (map[string]string, error) {
	references := make(map[string]string)
	for _, name := range Names() {
		reference, err := Reference(p, name)
		if err != nil {
			return nil, err
		}
		references[name] = reference
	}
	return references, nil
}

// Image is one assembled system image.
type Image struct {
	// Name is Pause, CoreDNS, Runner or Toolbox.
	Name string
	// Reference is its full name.
	Reference string
	v1.Image
}

// Build assembles the named system images; without names, all of them.
func Build(p *payload.Payload, names ...string) ([]Image, error) {
	if len(names) == 0 {
		names = Names()
	}
	var built []Image
	for _, name := range slices.Compact(names) {
		reference, err := Reference(p, name)
		if err != nil {
			return nil, err
		}
		image, err := recipes[name].build(p)
		if err != nil {
			return nil, fmt.Errorf("system image %s: %w", name, err)
		}
		built = append(built, Image{Name: name, Reference: reference, Image: image})
	}
	return built, nil
}
