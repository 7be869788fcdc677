package embedded

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// maxConfig bounds what Config reads: an image's configuration is a few kilobytes.
const maxConfig = 4 << 20

// local is where this registry keeps an image that is named as people name it.
func local(image string) (Name, name.Reference, error) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return Name{}, nil, fmt.Errorf("image name %q: %w", image, err)
	}
	full := ref.Context().RepositoryStr()
	if ref.Context().RegistryStr() != serviceName {
		full = upstreamKey(ref.Context().RegistryStr()) + "/" + full
	}
	n, err := ParseName(full)
	if err != nil {
		return Name{}, nil, err
	}
	repo, err := name.NewRepository(serviceName+"/"+full, name.StrictValidation)
	if err != nil {
		return Name{}, nil, err
	}
	if d, ok := ref.(name.Digest); ok {
		return n, repo.Digest(d.DigestStr()), nil
	}
	return n, repo.Tag(ref.Identifier()), nil
}

// Config reads the configuration of an image, named as people name it
// ("postgres:16"), for this machine's kind. Only what this registry has already is
// looked at; namespace may see its own images and those of upstreams.
func (r *Registry) Config(ctx context.Context, namespace, image string) (*v1.ConfigFile, error) {
	n, ref, err := local(image)
	if err != nil {
		return nil, err
	}
	if n.Kind == Internal || n.Kind == Tenant && n.Owner != namespace {
		return nil, fmt.Errorf("image %s: not found", image)
	}
	img, err := remote.Image(ref, remote.WithContext(ctx), remote.WithTransport(bounded{r.Transport()}))
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", image, err)
	}
	return img.ConfigFile()
}

// Tag makes tag of a tenant's repository ("default/hello") point to a manifest that
// the repository has.
func (r *Registry) Tag(ctx context.Context, repository, digest, tag string) error {
	n, err := ParseName(repository)
	if err != nil {
		return err
	}
	if n.Kind != Tenant {
		return fmt.Errorf("repository %s: not a tenant's", repository)
	}
	from, err := name.NewDigest(serviceName+"/"+repository+"@"+digest, name.StrictValidation)
	if err != nil {
		return err
	}
	to, err := name.NewTag(serviceName+"/"+repository+":"+tag, name.StrictValidation)
	if err != nil {
		return err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithTransport(r.Transport())}
	desc, err := remote.Get(from, options...)
	if err != nil {
		return fmt.Errorf("tag %s: %w", to, err)
	}
	return remote.Tag(to, desc, options...)
}

// Copy puts an image that this registry has, under any name, into a tenant's
// repository with a tag, and returns its digest. Blobs are not moved.
func (r *Registry) Copy(ctx context.Context, namespace, image, repository, tag string) (string, error) {
	n, from, err := local(image)
	if err != nil {
		return "", err
	}
	to, err := ParseName(repository)
	if err != nil {
		return "", err
	}
	if n.Kind == Internal || n.Kind == Tenant && n.Owner != namespace || to.Kind != Tenant || to.Owner != namespace {
		return "", fmt.Errorf("image %s: not found", image)
	}
	target, err := name.NewTag(serviceName+"/"+repository+":"+tag, name.StrictValidation)
	if err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithTransport(r.Transport())}
	desc, err := remote.Get(from, options...)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", image, err)
	}
	if desc.MediaType.IsIndex() {
		index, err := desc.ImageIndex()
		if err != nil {
			return "", err
		}
		return desc.Digest.String(), remote.WriteIndex(target, index, options...)
	}
	img, err := desc.Image()
	if err != nil {
		return "", err
	}
	return desc.Digest.String(), remote.Write(target, img, options...)
}

// bounded ends answers that are too long for a manifest or a configuration.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(req)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, maxConfig)
	}
	return res, err
}
