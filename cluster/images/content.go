package images

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// gcReference is the label by which containerd's garbage collector knows what a blob needs.
const gcReference = "containerd.io/gc.ref.content."

// writeContent stores an image's layers, configuration and manifest, in the
// order in which they refer to one another, and returns the manifest's descriptor.
func writeContent(ctx context.Context, store content.Store, image v1.Image) (ocispec.Descriptor, error) {
	var none ocispec.Descriptor
	manifest, err := image.Manifest()
	if err != nil {
		return none, err
	}
	layers, err := image.Layers()
	if err != nil {
		return none, err
	}
	references := map[string]string{gcReference + "config": manifest.Config.Digest.String()}
	for i, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			return none, err
		}
		err = writeBlob(ctx, store, descriptor(manifest.Layers[i]), r, nil)
		r.Close()
		if err != nil {
			return none, err
		}
		references[fmt.Sprintf("%sl.%d", gcReference, i)] = manifest.Layers[i].Digest.String()
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return none, err
	}
	if err := writeBlob(ctx, store, descriptor(manifest.Config), bytes.NewReader(config), nil); err != nil {
		return none, err
	}
	raw, err := image.RawManifest()
	if err != nil {
		return none, err
	}
	own, err := partial.Descriptor(image)
	if err != nil {
		return none, err
	}
	target := descriptor(*own)
	return target, writeBlob(ctx, store, target, bytes.NewReader(raw), references)
}

// writeBlob stores one blob. A record whose file is gone would make the store
// believe that it has the blob; such a record is removed first.
func writeBlob(ctx context.Context, store content.Store, d ocispec.Descriptor, r io.Reader, labels map[string]string) error {
	if err := probe(ctx, store, d); errdefs.IsNotFound(err) {
		if err := ignoreNotFound(store.Delete(ctx, d.Digest)); err != nil {
			return fmt.Errorf("forget %s: %w", d.Digest, err)
		}
	}
	if err := content.WriteBlob(ctx, store, "slipway-"+d.Digest.String(), r, d, content.WithLabels(labels)); err != nil {
		return fmt.Errorf("write %s: %w", d.Digest, err)
	}
	return nil
}

// probe reads a byte, as opening alone does not reach the file.
func probe(ctx context.Context, store content.Store, d ocispec.Descriptor) error {
	at, err := store.ReaderAt(ctx, d)
	if err != nil {
		return err
	}
	defer at.Close()
	_, err = at.ReadAt(make([]byte, 1), 0)
	return err
}

func descriptor(d v1.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: string(d.MediaType), Size: d.Size,
		Digest: digest.NewDigestFromEncoded(digest.Algorithm(d.Digest.Algorithm), d.Digest.Hex),
	}
}
