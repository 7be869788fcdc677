package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/distribution/v3/registry/api/errcode"
	registrymiddleware "github.com/distribution/distribution/v3/registry/middleware/registry"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway.dev/cluster/disk"
)

// middlewareName is how distribution is told to put the mirror between its
// handlers, which have authorised a request by then, and its storage.
const middlewareName = "slipway-mirror"

func init() {
	err := registrymiddleware.Register(middlewareName, func(_ context.Context, local distribution.Namespace, _ storagedriver.StorageDriver, options map[string]any) (distribution.Namespace, error) {
		m, ok := options["mirror"].(*mirror)
		if !ok {
			return nil, errors.New("registry mirror: not given")
		}
		remover, ok := local.(distribution.RepositoryRemover)
		if !ok {
			return nil, errors.New("registry mirror: storage cannot remove repositories")
		}
		m.local = local
		return &mirroredNamespace{Namespace: local, RepositoryRemover: remover, mirror: m}, nil
	})
	if err != nil {
		panic(err)
	}
}

// localOnlyKey marks a request that asks what is here, not what could be had.
type localOnlyKey struct{}

// mirroredNamespace looks upstream for what it does not have.
type mirroredNamespace struct {
	distribution.Namespace
	distribution.RepositoryRemover
	mirror *mirror
}

// Repository returns a plain repository, or one that pulls through.
func (n *mirroredNamespace) Repository(ctx context.Context, named reference.Named) (distribution.Repository, error) {
	repo, err := n.Namespace.Repository(ctx, named)
	if err != nil {
		return nil, err
	}
	parsed, err := ParseName(named.Name())
	if err != nil {
		return nil, distribution.ErrRepositoryNameInvalid{Name: named.Name(), Reason: err}
	}
	if parsed.Kind != Upstream {
		return repo, nil
	}
	if ctx.Value(localOnlyKey{}) != nil {
		return repo, nil
	}
	return &mirroredRepository{Repository: repo, name: parsed, mirror: n.mirror, upstream: n.mirror.upstreams[parsed.Owner]}, nil
}

// mirroredRepository is a local copy. Its upstream is nil when only seeding can fill it.
type mirroredRepository struct {
	distribution.Repository
	name     Name
	mirror   *mirror
	upstream *upstream
}

// Manifests that are fetched by digest when they are missing.
func (r *mirroredRepository) Manifests(ctx context.Context, options ...distribution.ManifestServiceOption) (distribution.ManifestService, error) {
	local, err := r.Repository.Manifests(ctx, options...)
	return &mirroredManifests{ManifestService: local, repo: r}, err
}

// Blobs that are fetched when they are missing.
func (r *mirroredRepository) Blobs(ctx context.Context) distribution.BlobStore {
	return &mirroredBlobs{BlobStore: r.Repository.Blobs(ctx), repo: r}
}

// Tags that are asked for again when they may have moved.
func (r *mirroredRepository) Tags(ctx context.Context) distribution.TagService {
	return &mirroredTags{TagService: r.Repository.Tags(ctx), repo: r}
}

// absent says that an error of the local store means: not there. Any other leaves it open,
// and a client that is told "not found" for it would not try again.
func absent(err error) bool {
	var tag distribution.ErrTagUnknown
	var revision distribution.ErrManifestUnknownRevision
	return errors.As(err, &tag) || errors.As(err, &revision) || errors.Is(err, distribution.ErrBlobUnknown)
}

// explain makes an error a client can act on out of that of the local store and that of
// fetching.
func (r *mirroredRepository) explain(ctx context.Context, what string, local, err error, unknown error) error {
	var full disk.Full
	switch {
	case !absent(local) && (errors.Is(err, errNoUpstream) || errors.Is(err, errNotThere)):
		return local
	case errors.As(err, &full):
		if v, ok := ctx.Value(verdictKey{}).(*verdict); ok {
			v.full = full
		}
		return err
	case errors.Is(err, errNoUpstream):
		return errcode.ErrorCodeNameUnknown.WithMessage(fmt.Sprintf(
			"%s %s is not seeded here, and %v: add %s to the registry's upstreams, or run: slipway image seed NAME FILE", r.name, what, err, r.name.Owner))
	case errors.Is(err, errNotThere):
		return unknown
	case ctx.Err() != nil:
		return ctx.Err()
	}
	r.mirror.log.Warn("upstream registry does not serve", "repository", r.name.String(), "what", what, "error", err)
	return errcode.ErrorCodeUnavailable.WithMessage(fmt.Sprintf(
		"%s %s is neither cached nor seeded here, and its upstream cannot be used: %v; connect the network, or run: slipway image seed NAME FILE", r.name, what, err))
}

var errNoUpstream = errors.New("no upstream registry of its name is configured")

type mirroredTags struct {
	distribution.TagService
	repo *mirroredRepository
}

// Get returns the seeded tag, or a fresh one, or what is known of it.
func (t *mirroredTags) Get(ctx context.Context, tag string) (v1.Descriptor, error) {
	r, m := t.repo, t.repo.mirror
	known, local := t.TagService.Get(ctx, tag)
	have := local == nil
	key := r.name.String() + ":" + tag
	if have && (r.upstream == nil || m.marks.seeded(key) || !m.isDue(key)) {
		return known, nil
	}
	timeout := resolveTimeout
	if have {
		timeout = revalidateTimeout
	}
	err := errNoUpstream
	if r.upstream != nil {
		err = m.refreshTag(ctx, r.upstream, r.Named(), r.name.Path, tag, timeout)
	}
	if err == nil {
		return t.TagService.Get(ctx, tag)
	}
	if have {
		m.log.Info("upstream registry does not answer, the copy serves", "image", key, "error", err)
		m.setDue(key, failureRest)
		return known, nil
	}
	return v1.Descriptor{}, r.explain(ctx, tag, local, err, distribution.ErrTagUnknown{Tag: tag})
}

type mirroredManifests struct {
	distribution.ManifestService
	repo *mirroredRepository
}

// Get returns the copy, fetched first when it is missing.
func (m *mirroredManifests) Get(ctx context.Context, dgst digest.Digest, options ...distribution.ManifestServiceOption) (distribution.Manifest, error) {
	found, local := m.ManifestService.Get(ctx, dgst, options...)
	if local == nil {
		return found, nil
	}
	r := m.repo
	unknown := distribution.ErrManifestUnknownRevision{Name: r.name.String(), Revision: dgst}
	err := errNoUpstream
	if r.upstream != nil {
		err = r.mirror.fetchManifest(ctx, r.upstream, r.Named(), r.name.Path, dgst)
	}
	if err != nil {
		return nil, r.explain(ctx, dgst.String(), local, err, unknown)
	}
	return m.ManifestService.Get(ctx, dgst, options...)
}

type mirroredBlobs struct {
	distribution.BlobStore
	repo *mirroredRepository
}

func (b *mirroredBlobs) have(ctx context.Context, dgst digest.Digest) error {
	_, local := b.BlobStore.Stat(ctx, dgst)
	if local == nil {
		return nil
	}
	r := b.repo
	err := errNoUpstream
	if r.upstream != nil {
		err = r.mirror.fetchBlob(ctx, r.upstream, r.Named(), r.name.Path, dgst)
	}
	if err != nil {
		return r.explain(ctx, dgst.String(), local, err, distribution.ErrBlobUnknown)
	}
	return nil
}

// Stat fetches the blob if it is missing.
func (b *mirroredBlobs) Stat(ctx context.Context, dgst digest.Digest) (v1.Descriptor, error) {
	if err := b.have(ctx, dgst); err != nil {
		return v1.Descriptor{}, err
	}
	return b.BlobStore.Stat(ctx, dgst)
}

// Open fetches the blob if it is missing.
func (b *mirroredBlobs) Open(ctx context.Context, dgst digest.Digest) (io.ReadSeekCloser, error) {
	if err := b.have(ctx, dgst); err != nil {
		return nil, err
	}
	return b.BlobStore.Open(ctx, dgst)
}

// Get fetches the blob if it is missing.
func (b *mirroredBlobs) Get(ctx context.Context, dgst digest.Digest) ([]byte, error) {
	if err := b.have(ctx, dgst); err != nil {
		return nil, err
	}
	return b.BlobStore.Get(ctx, dgst)
}

// ServeBlob fetches the blob if it is missing; ranges work on the copy.
func (b *mirroredBlobs) ServeBlob(ctx context.Context, w http.ResponseWriter, req *http.Request, dgst digest.Digest) error {
	if err := b.have(ctx, dgst); err != nil {
		return err
	}
	return b.BlobStore.ServeBlob(ctx, w, req, dgst)
}
