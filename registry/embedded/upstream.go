package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
)

// UpstreamRegistry is a registry whose images are pulled through.
type UpstreamRegistry struct {
	// Host as image names have it: "docker.io", "registry.example:5000".
	Host string
	// URL to fetch from; its path is put before repository names. Default https://<Host>.
	URL string
	// Username and Password are sent to URL's host and to nobody else. What they
	// open is then readable by every user of this registry.
	Username, Password string
	// AllowPrivate permits URL to be at a loopback, private or link-local address.
	AllowPrivate bool
}

// DefaultUpstreams are the public registries that images usually come from.
func DefaultUpstreams() []UpstreamRegistry {
	return []UpstreamRegistry{
		{Host: "docker.io", URL: "https://registry-1.docker.io"},
		{Host: "ghcr.io"}, {Host: "quay.io"}, {Host: "gcr.io"}, {Host: "registry.k8s.io"}, {Host: "mcr.microsoft.com"},
	}
}

// errNotThere: the upstream answered, and it has no such thing (or hides it).
var errNotThere = errors.New("not found")

// retry once, soon: whoever pulls tries again anyway, and a copy may serve.
var retry = remote.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 2}

// upstream talks to one registry. Clients are kept per repository, because each
// holds the token it got there; one that failed is thrown away.
type upstream struct {
	host      string
	base      string
	insecure  bool
	options   []remote.Option
	transport *http.Transport

	mu      sync.Mutex
	pullers map[string]*remote.Puller
}

func newUpstream(u UpstreamRegistry) (*upstream, error) {
	raw := u.URL
	if raw == "" {
		raw = "https://" + u.Host
	}
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "https" && parsed.Scheme != "http") || parsed.User != nil {
		return nil, fmt.Errorf("upstream registry %s: URL must be https://host[/path] or http://host[/path], without credentials in it", u.Host)
	}
	t := guardedTransport(u.AllowPrivate)
	auth := authn.Anonymous
	if u.Username != "" || u.Password != "" {
		auth = authn.FromConfig(authn.AuthConfig{Username: u.Username, Password: u.Password})
	}
	return &upstream{
		host:      u.Host,
		base:      strings.TrimSuffix(parsed.Host+parsed.Path, "/"),
		insecure:  parsed.Scheme == "http",
		options:   []remote.Option{remote.WithAuth(auth), remote.WithTransport(t), remote.WithUserAgent("slipway"), remote.WithRetryBackoff(retry)},
		transport: t,
		pullers:   map[string]*remote.Puller{},
	}, nil
}

func (u *upstream) repository(repo string) (name.Repository, error) {
	var options []name.Option
	if u.insecure {
		options = append(options, name.Insecure)
	}
	return name.NewRepository(u.base+"/"+repo, options...)
}

func (u *upstream) puller(repo string) (*remote.Puller, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p := u.pullers[repo]; p != nil {
		return p, nil
	}
	p, err := remote.NewPuller(u.options...)
	if err != nil {
		return nil, err
	}
	if len(u.pullers) > 256 {
		clear(u.pullers)
	}
	u.pullers[repo] = p
	return p, nil
}

// failed drops the client and tells "not there" from "cannot be asked".
func (u *upstream) failed(repo string, err error) error {
	u.mu.Lock()
	delete(u.pullers, repo)
	u.mu.Unlock()
	var te *transport.Error
	if errors.As(err, &te) {
		switch te.StatusCode {
		case http.StatusNotFound, http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("%w: %s answers %d", errNotThere, u.host, te.StatusCode)
		}
	}
	return fmt.Errorf("%s: %w", u.host, err)
}

// resolve asks which digest a tag has now.
func (u *upstream) resolve(ctx context.Context, repo, tag string) (digest.Digest, error) {
	r, err := u.repository(repo)
	if err != nil {
		return "", err
	}
	p, err := u.puller(repo)
	if err != nil {
		return "", err
	}
	desc, err := p.Head(ctx, r.Tag(tag))
	if err != nil {
		return "", u.failed(repo, err)
	}
	return digest.Digest(desc.Digest.String()), nil
}

// manifest fetches a manifest and checks its digest.
func (u *upstream) manifest(ctx context.Context, repo string, dgst digest.Digest) (mediaType string, raw []byte, err error) {
	r, err := u.repository(repo)
	if err != nil {
		return "", nil, err
	}
	p, err := u.puller(repo)
	if err != nil {
		return "", nil, err
	}
	desc, err := p.Get(ctx, r.Digest(dgst.String()))
	if err != nil {
		return "", nil, u.failed(repo, err)
	}
	if digest.FromBytes(desc.Manifest) != dgst {
		return "", nil, fmt.Errorf("%s/%s: the answer for %s has another digest", u.host, repo, dgst)
	}
	return string(desc.MediaType), desc.Manifest, nil
}

// blob opens a blob. The reader fails at its end if the digest is another.
func (u *upstream) blob(ctx context.Context, repo string, dgst digest.Digest) (io.ReadCloser, error) {
	r, err := u.repository(repo)
	if err != nil {
		return nil, err
	}
	p, err := u.puller(repo)
	if err != nil {
		return nil, err
	}
	layer, err := p.Layer(ctx, r.Digest(dgst.String()))
	if err != nil {
		return nil, u.failed(repo, err)
	}
	rc, err := layer.Compressed()
	if err != nil {
		return nil, u.failed(repo, err)
	}
	return rc, nil
}
