package artifacts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxConfigured repositories are remembered.
const maxConfigured = 1 << 12

// maxManifest is more than a manifest with one layer can need.
const maxManifest = 64 << 10

var (
	repoRE = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagRE  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	typeRE = regexp.MustCompile(`^[a-z]+/[A-Za-z0-9][A-Za-z0-9.+-]{0,120}$`)
)

// registry is a Store on a registry's API.
type registry struct {
	client *http.Client
	base   string
	// configured repositories have the configuration of artifacts, as far as is known.
	configured *lru.Cache[string, struct{}]
}

var _ Store = (*registry)(nil)

// New returns a Store on the registry behind a round tripper that authenticates
// by itself, such as the one of embedded.Registry.Transport.
func New(rt http.RoundTripper) Store {
	configured, _ := lru.New[string, struct{}](maxConfigured) // fails for sizes below 1 only
	return &registry{client: &http.Client{Transport: rt}, base: "http://registry.slipway.internal", configured: configured}
}

func (s *registry) path(repo string, elements ...string) (string, error) {
	full := Prefix + "/" + repo
	if len(full) > 255 || !repoRE.MatchString(repo) {
		return "", fmt.Errorf("artifact repository %q: not a repository name", repo)
	}
	return s.base + "/v2/" + full + "/" + strings.Join(elements, "/"), nil
}

// Put uploads the content as a blob, then the manifest that names it.
func (s *registry) Put(ctx context.Context, repo, tag, mediaType string, r io.Reader) (string, int64, error) {
	if tag != "" && !tagRE.MatchString(tag) {
		return "", 0, fmt.Errorf("artifact tag %q: not a tag", tag)
	}
	if !typeRE.MatchString(mediaType) {
		return "", 0, fmt.Errorf("artifact media type %q: not a media type", mediaType)
	}
	content, err := s.upload(ctx, repo, r)
	if err != nil {
		return "", 0, fmt.Errorf("artifact %s: %w", repo, err)
	}
	content.MediaType = mediaType
	config := v1.DescriptorEmptyJSON
	config.Data = nil
	known := s.configured.Contains(repo)
	if !known {
		if err := s.configure(ctx, repo, config); err != nil {
			return "", 0, fmt.Errorf("artifact %s: %w", repo, err)
		}
	}
	manifest, err := json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		ArtifactType: mediaType, Config: config, Layers: []v1.Descriptor{content},
	})
	if err != nil {
		return "", 0, err
	}
	dgst := digest.FromBytes(manifest)
	ref := tag
	if ref == "" {
		ref = dgst.String()
	}
	err = s.name(ctx, repo, ref, manifest)
	if err != nil && known && ctx.Err() == nil {
		// The repository may have been removed since, and be another one now.
		if err = s.configure(ctx, repo, config); err == nil {
			err = s.name(ctx, repo, ref, manifest)
		}
	}
	if err != nil {
		return "", 0, fmt.Errorf("artifact %s:%s: %w", repo, ref, err)
	}
	return dgst.String(), content.Size, nil
}

// name puts a manifest under a tag or its digest.
func (s *registry) name(ctx context.Context, repo, ref string, manifest []byte) error {
	to, err := s.path(repo, "manifests", ref)
	if err != nil {
		return err
	}
	res, err := s.do(ctx, http.MethodPut, to, bytes.NewReader(manifest), "Content-Type", v1.MediaTypeImageManifest)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// configure sees to it that the repository has the configuration that every artifact
// has. One that another repository has is mounted, which is a request without content.
func (s *registry) configure(ctx context.Context, repo string, config v1.Descriptor) error {
	start, err := s.path(repo, "blobs", "uploads", "")
	if err != nil {
		return err
	}
	query := url.Values{}
	from, _, other := s.configured.GetOldest()
	if other {
		query = url.Values{"mount": {config.Digest.String()}, "from": {Prefix + "/" + from}}
	}
	res, err := s.do(ctx, http.MethodPost, start+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		// The other repository has gone, or there was none: an upload has begun.
		s.configured.Remove(from)
		if err := s.complete(ctx, res, config.Digest, []byte("{}")); err != nil {
			return err
		}
	}
	s.configured.Add(repo, struct{}{})
	return nil
}

// maxWhole is what is uploaded in one piece.
const maxWhole = 64 << 10

// upload one blob and commit it under the digest of what was sent.
func (s *registry) upload(ctx context.Context, repo string, r io.Reader) (v1.Descriptor, error) {
	start, err := s.path(repo, "blobs", "uploads", "")
	if err != nil {
		return v1.Descriptor{}, err
	}
	// What is small is read first: its digest is known then, and a reader that fails
	// leaves nothing behind.
	first, err := io.ReadAll(io.LimitReader(r, maxWhole+1))
	if err != nil {
		return v1.Descriptor{}, err
	}
	res, err := s.do(ctx, http.MethodPost, start, nil)
	if err != nil {
		return v1.Descriptor{}, err
	}
	_ = res.Body.Close()
	if len(first) <= maxWhole {
		dgst := digest.FromBytes(first)
		return v1.Descriptor{Digest: dgst, Size: int64(len(first))}, s.complete(ctx, res, dgst, first)
	}
	at, err := location(res)
	if err != nil {
		return v1.Descriptor{}, err
	}
	digester := digest.Canonical.Digester()
	counted := &counter{}
	// The type hides what else the reader is, so that net/http asks for nothing but bytes.
	body := struct{ io.Reader }{io.TeeReader(io.MultiReader(bytes.NewReader(first), r), io.MultiWriter(digester.Hash(), counted))}
	res, err = s.do(ctx, http.MethodPatch, at.String(), body, "Content-Type", "application/octet-stream")
	if err != nil {
		s.abandon(ctx, at)
		return v1.Descriptor{}, err
	}
	_ = res.Body.Close()
	return v1.Descriptor{Digest: digester.Digest(), Size: counted.n}, s.complete(ctx, res, digester.Digest(), nil)
}

// complete an upload that an answer has told the place of, with the rest of its content.
func (s *registry) complete(ctx context.Context, begun *http.Response, dgst digest.Digest, rest []byte) error {
	at, err := location(begun)
	if err != nil {
		return err
	}
	query := at.Query()
	query.Set("digest", dgst.String())
	at.RawQuery = query.Encode()
	res, err := s.do(ctx, http.MethodPut, at.String(), bytes.NewReader(rest), "Content-Type", "application/octet-stream")
	if err != nil {
		s.abandon(ctx, at)
		return err
	}
	return res.Body.Close()
}

// abandon frees what an upload that failed has left behind.
func (s *registry) abandon(ctx context.Context, at *url.URL) {
	if res, err := s.do(context.WithoutCancel(ctx), http.MethodDelete, at.String(), nil); err == nil {
		_ = res.Body.Close()
	}
}

func location(res *http.Response) (*url.URL, error) {
	at, err := res.Location()
	if err != nil {
		return nil, fmt.Errorf("the registry names no place to upload to: %w", err)
	}
	return at, nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// Get streams an artifact's content.
func (s *registry) Get(ctx context.Context, repo, ref string) (io.ReadCloser, error) {
	manifest, _, err := s.manifest(ctx, repo, ref)
	if err != nil {
		return nil, err
	}
	layer := manifest.Layers[0]
	from, err := s.path(repo, "blobs", layer.Digest.String())
	if err != nil {
		return nil, err
	}
	res, err := s.do(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, fmt.Errorf("artifact %s:%s: %w", repo, ref, err)
	}
	return &verified{body: res.Body, verifier: layer.Digest.Verifier(), left: layer.Size}, nil
}

func (s *registry) manifest(ctx context.Context, repo, ref string) (*v1.Manifest, digest.Digest, error) {
	if !tagRE.MatchString(ref) && digest.Digest(ref).Validate() != nil {
		return nil, "", fmt.Errorf("artifact reference %q: neither a tag nor a digest", ref)
	}
	from, err := s.path(repo, "manifests", ref)
	if err != nil {
		return nil, "", err
	}
	res, err := s.do(ctx, http.MethodGet, from, nil, "Accept", v1.MediaTypeImageManifest)
	if err != nil {
		return nil, "", fmt.Errorf("artifact %s:%s: %w", repo, ref, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxManifest))
	if err != nil {
		return nil, "", fmt.Errorf("artifact %s:%s: %w", repo, ref, err)
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(raw, &manifest); err != nil || len(manifest.Layers) != 1 || manifest.Layers[0].Digest.Validate() != nil {
		return nil, "", fmt.Errorf("artifact %s:%s: its manifest is damaged", repo, ref)
	}
	return &manifest, digest.FromBytes(raw), nil
}

// Delete removes an artifact by tag or digest.
func (s *registry) Delete(ctx context.Context, repo, ref string) error {
	manifest, dgst, err := s.manifest(ctx, repo, ref)
	if err != nil {
		return err
	}
	for _, what := range [][]string{{"manifests", dgst.String()}, {"blobs", manifest.Layers[0].Digest.String()}} {
		at, err := s.path(repo, what...)
		if err != nil {
			return err
		}
		res, err := s.do(ctx, http.MethodDelete, at, nil)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("artifact %s:%s: %w", repo, ref, err)
		}
		_ = res.Body.Close()
	}
	return nil
}

// do sends a request and turns every answer that is no success into an error.
func (s *registry) do(ctx context.Context, method, to string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	if res.StatusCode == http.StatusNotFound {
		return nil, ErrNotFound
	}
	return nil, fmt.Errorf("registry answers %d: %s", res.StatusCode, bytes.TrimSpace(said))
}

// verified is a body that is only over when it was the right one.
type verified struct {
	body     io.ReadCloser
	verifier digest.Verifier
	left     int64
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.body.Read(p)
	v.left -= int64(n)
	_, _ = v.verifier.Write(p[:n])
	if errors.Is(err, io.EOF) && (v.left != 0 || !v.verifier.Verified()) {
		return n, errors.New("artifact content is not what its digest says")
	}
	return n, err
}

func (v *verified) Close() error { return v.body.Close() }
