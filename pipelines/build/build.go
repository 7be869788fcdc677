// Package build owns turning a Dockerfile and a context into a pushed image: it
// is the client of a BuildKit daemon that somebody else runs.
//
// It never lets the one who wrote the Dockerfile choose a frontend, a source
// other than images and the context, an entitlement, or where the image goes. It
// keeps nothing: the context is unpacked into a temporary directory and removed.
//
// Start at Builder.Build; unpack.go has what a context may contain, policy.go
// what a build may use, failure.go how it fails.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"slipway.dev/cluster/api/v1alpha1"
)

// Options of a Builder.
type Options struct {
	// Address of the daemon, as "unix:///var/lib/slipway/run/buildkitd.sock".
	Address string
	// Registry is the host:port at which the daemon reaches the registry. Images
	// are named v1alpha1.RegistryHost whatever it is. Default "127.0.0.1:8080".
	Registry string
	// TempDir gets the unpacked contexts. Default: the system's.
	TempDir string
	// Limits of a context. The zero value means DefaultLimits.
	Limits Limits
	// Parallel builds at most; others wait. Default 4.
	Parallel int
}

// Request is one image to build.
type Request struct {
	// Namespace of the tenant: the first element of the image's name.
	Namespace string
	// Name of the image after it, as "hello" or "shop/web".
	Name string
	// Tag that points to the image besides its digest. Default "latest".
	Tag string
	// Context is a tar archive, or a gzipped one. It is read once, to its end.
	Context io.Reader
	// Dockerfile is its path within the context. Default "Dockerfile".
	Dockerfile string
	// Target stage. Default: the last.
	Target string
	// BuildArgs for ARG. Names that BuildKit itself reads are refused.
	BuildArgs map[string]string
	// DockerfileText stands for Dockerfile and is not part of the context.
	DockerfileText []byte
	// Labels of the image, and Secrets for RUN --mount=type=secret.
	Labels  map[string]string
	Secrets map[string][]byte
	// Pull asks for the base images again.
	Pull bool
	// Platform, as "linux/amd64". Default: the daemon's.
	Platform string
	// NoCache builds every step again.
	NoCache bool
	// Token is the credential with which base images are pulled and the result is pushed.
	Token string
}

// Builder builds images. It may be used by many goroutines.
type Builder struct {
	options Options
	slots   *semaphore.Weighted

	mu     sync.Mutex
	client *client.Client
}

// New returns a Builder. It connects when it first builds.
func New(options Options) *Builder {
	if options.Registry == "" {
		options.Registry = "127.0.0.1:8080"
	}
	if options.Limits == (Limits{}) {
		options.Limits = DefaultLimits
	}
	if options.Parallel <= 0 {
		options.Parallel = 4
	}
	return &Builder{options: options, slots: semaphore.NewWeighted(int64(options.Parallel))}
}

// Close ends the connection.
func (b *Builder) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client == nil {
		return nil
	}
	err := b.client.Close()
	b.client = nil
	return err
}

func (b *Builder) connect() (*client.Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client == nil {
		// The connection outlives the request that needs it first.
		c, err := client.New(context.Background(), b.options.Address)
		if err != nil {
			return nil, fmt.Errorf("buildkit at %s: %w", b.options.Address, err)
		}
		b.client = c
	}
	return b.client, nil
}

// Build builds an image and pushes it. Progress gets plain text as it comes, with
// the reason at the end when the build fails. The image is in the registry, by
// digest and by tag, when Build returns without an error. An error of the
// Dockerfile is a *Failure. Cancelling ctx ends the build in the daemon too.
func (b *Builder) Build(ctx context.Context, r Request, progress io.Writer) (v1alpha1.Image, error) {
	if err := r.validate(); err != nil {
		return v1alpha1.Image{}, err
	}
	if progress == nil {
		progress = io.Discard
	}
	if err := b.slots.Acquire(ctx, 1); err != nil {
		return v1alpha1.Image{}, err
	}
	defer b.slots.Release(1)
	dir, err := os.MkdirTemp(b.options.TempDir, "slipway-build-*")
	if err != nil {
		return v1alpha1.Image{}, fmt.Errorf("build context: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := Unpack(r.Context, dir, b.options.Limits); err != nil {
		return v1alpha1.Image{}, fmt.Errorf("build context: %w", err)
	}
	dgst, err := b.solve(ctx, r, dir, progress)
	if err != nil {
		return v1alpha1.Image{}, err
	}
	return v1alpha1.Image{Name: v1alpha1.RegistryHost + "/" + r.Namespace + "/" + r.Name, Digest: dgst}, nil
}

// solve runs the build in the daemon and returns the digest that was pushed.
func (b *Builder) solve(ctx context.Context, r Request, dir string, progress io.Writer) (string, error) {
	c, err := b.connect()
	if err != nil {
		return "", err
	}
	files, err := fsutil.NewFS(dir)
	if err != nil {
		return "", fmt.Errorf("build context: %w", err)
	}
	recipe := files
	if r.DockerfileText != nil {
		apart, err := os.MkdirTemp(b.options.TempDir, "slipway-dockerfile-*")
		if err != nil {
			return "", fmt.Errorf("dockerfile: %w", err)
		}
		defer os.RemoveAll(apart)
		if err := os.WriteFile(filepath.Join(apart, r.Dockerfile), r.DockerfileText, 0o600); err != nil {
			return "", fmt.Errorf("dockerfile: %w", err)
		}
		if recipe, err = fsutil.NewFS(apart); err != nil {
			return "", fmt.Errorf("dockerfile: %w", err)
		}
	}
	options := client.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: r.frontendAttrs(),
		LocalMounts:   map[string]fsutil.FS{"context": files, "dockerfile": recipe},
		// Never the key of another build: the daemon would take files of equal size
		// and time for equal, and two commits of one second have both.
		SharedKey:    identity.NewID(),
		SourcePolicy: sourcePolicy(),
		Session:      []session.Attachable{newAuth(r.Token, b.options.Registry), secretsprovider.FromMap(r.Secrets)},
		Exports: []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
			string(exptypes.OptKeyName):         b.options.Registry + "/" + r.Namespace + "/" + r.Name + ":" + r.Tag,
			string(exptypes.OptKeyPush):         "true",
			string(exptypes.OptKeyOCITypes):     "true",
			string(exptypes.OptKeyUnpack):       "false",
			string(exptypes.OptKeyInsecure):     "false",
			string(exptypes.OptKeyPushByDigest): "false",
		}}},
	}
	group, gctx := errgroup.WithContext(ctx)
	states := make(chan *client.SolveStatus)
	show := newDisplay(progress)
	var response *client.SolveResponse
	group.Go(func() error {
		var err error
		response, err = c.Solve(gctx, nil, options, states)
		return err
	})
	group.Go(func() error { return show.run(states) })
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("build of %s: %w", r.Name, context.Cause(ctx))
		}
		return "", explain(err, r, show, progress)
	}
	dgst := response.ExporterResponse[exptypes.ExporterImageDigestKey]
	if !strings.HasPrefix(dgst, "sha256:") {
		return "", errors.New("buildkit pushed the image and did not say its digest")
	}
	return dgst, nil
}
