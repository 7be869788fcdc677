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

// Held is an image that a tenant's repository has.
type Held struct {
	Digest string
	// Config is the digest of the configuration, and File the configuration.
	Config string
	File   *v1.ConfigFile
	// Size of all layers.
	Size int64
}

// Describe an image that this registry has, as Config does.
func (r *Registry) Describe(ctx context.Context, namespace, image string) (Held, error) {
	n, ref, err := local(image)
	if err != nil {
		return Held{}, err
	}
	if n.Kind == Internal || n.Kind == Tenant && n.Owner != namespace {
		return Held{}, fmt.Errorf("image %s: not found", image)
	}
	img, err := remote.Image(ref, remote.WithContext(ctx), remote.WithTransport(bounded{r.Transport()}))
	if err != nil {
		return Held{}, fmt.Errorf("image %s: %w", image, err)
	}
	return describe(img)
}

func describe(img v1.Image) (Held, error) {
	var h Held
	digest, err := img.Digest()
	if err != nil {
		return h, err
	}
	m, err := img.Manifest()
	if err != nil {
		return h, err
	}
	h.Digest, h.Config = digest.String(), m.Config.Digest.String()
	for _, l := range m.Layers {
		h.Size += l.Size
	}
	h.File, err = img.ConfigFile()
	return h, err
}

// Copy puts an image of this machine's kind, named as people name it, into a
// repository of the namespace with a tag. Images of upstreams are fetched; layers that
// the registry has are not moved.
func (r *Registry) Copy(ctx context.Context, namespace, image, repository, tag string) (Held, error) {
	n, from, err := local(image)
	if err != nil {
		return Held{}, err
	}
	to, err := ParseName(repository)
	if err != nil {
		return Held{}, err
	}
	if n.Kind == Internal || n.Kind == Tenant && n.Owner != namespace || to.Kind != Tenant || to.Owner != namespace {
		return Held{}, fmt.Errorf("image %s: not found", image)
	}
	target, err := name.NewTag(serviceName+"/"+repository+":"+tag, name.StrictValidation)
	if err != nil {
		return Held{}, err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithTransport(inProcess{r, true})}
	img, err := remote.Image(from, options...)
	if err != nil {
		return Held{}, fmt.Errorf("image %s: %w", image, err)
	}
	if err := remote.Write(target, img, options...); err != nil {
		return Held{}, fmt.Errorf("image %s: %w", target, err)
	}
	return describe(img)
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
