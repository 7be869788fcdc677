package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/net/publicsuffix"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// Media types of a chart's archive, now and before.
const (
	layerType    = types.MediaType("application/vnd.cncf.helm.chart.content.v1.tar+gzip")
	oldLayerType = types.MediaType("application/tar+gzip")
)

const maxTags = 20_000

// fromRegistry finds a chart in an OCI registry, where a version is a tag.
func (c *Client) fromRegistry(ctx context.Context, ref Ref, u *url.URL) (Found, error) {
	path := strings.Trim(u.Path, "/") + "/" + ref.Chart
	repo, err := name.NewRepository(u.Host+"/"+strings.TrimPrefix(path, "/"), name.StrictValidation)
	if err != nil {
		return Found{}, render.Refuse("", 0, "not a repository of a registry: %v", err)
	}
	options, err := c.options(ref, u, repo)
	if err != nil {
		return Found{}, err
	}
	puller, err := remote.NewPuller(options...)
	if err != nil {
		return Found{}, err
	}
	version, err := pick(ctx, puller, repo, ref.Version)
	if err != nil {
		return Found{}, failed(err)
	}
	layer, err := manifest(ctx, puller, repo.Tag(strings.ReplaceAll(version, "+", "_")))
	if err != nil {
		return Found{}, failed(err)
	}
	digest := layer.Digest.String()
	if _, ok := c.kept(ref.Namespace, digest); ok {
		return Found{version, digest}, nil
	}
	blob, err := puller.Layer(ctx, repo.Digest(digest))
	if err != nil {
		return Found{}, failed(err)
	}
	r, err := blob.Compressed()
	if err != nil {
		return Found{}, failed(err)
	}
	defer r.Close()
	if _, err := c.keep(ref.Namespace, r, maxArchive, digest); err != nil {
		return Found{}, failed(err)
	}
	return Found{version, digest}, nil
}

func (c *Client) options(ref Ref, u *url.URL, repo name.Repository) ([]remote.Option, error) {
	if u.Host == v1alpha1.RegistryHost {
		if c.Own == nil || !strings.HasPrefix(repo.RepositoryStr(), ref.Namespace+"/") {
			return nil, render.Refuse("", 0, "charts of this server's registry are below oci://%s/%s", v1alpha1.RegistryHost, ref.Namespace)
		}
		return []remote.Option{remote.WithTransport(c.Own), remote.WithAuth(authn.Anonymous)}, nil
	}
	auth := authn.Anonymous
	if ref.Credentials.For(u) {
		auth = authn.FromConfig(authn.AuthConfig{Username: ref.Credentials.Username, Password: ref.Credentials.Password})
	}
	t := c.transport(u, ref.Credentials)
	t.MaxIdleConns = 0
	return []remote.Option{
		remote.WithTransport(bounded{next: t, host: u.Host}), remote.WithAuth(auth), remote.WithUserAgent("slipway"),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
	}, nil
}

// pick is the version that is wanted: one that is exact is not looked up among all.
func pick(ctx context.Context, p *remote.Puller, repo name.Repository, wish string) (string, error) {
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(wish, "v")); err == nil {
		return wish, nil
	}
	lister, err := p.Lister(ctx, repo)
	if err != nil {
		return "", err
	}
	var versions []string
	for lister.HasNext() {
		page, err := lister.Next(ctx)
		if err != nil {
			return "", err
		}
		for _, tag := range page.Tags {
			versions = append(versions, strings.ReplaceAll(tag, "_", "+"))
		}
		if len(versions) > maxTags {
			return "", render.Refuse("", 0, "more than %d versions", maxTags)
		}
	}
	version, err := render.NewestVersion(versions, wish)
	if err != nil {
		return "", render.Refuse("", 0, "%v", err)
	}
	return version, nil
}

// manifest gives the layer that is the archive.
func manifest(ctx context.Context, p *remote.Puller, tag name.Tag) (v1.Descriptor, error) {
	desc, err := p.Get(ctx, tag)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if !desc.MediaType.IsImage() {
		return v1.Descriptor{}, render.Refuse("", 0, "%s is no chart: its media type is %.80s", tag, desc.MediaType)
	}
	m, err := v1.ParseManifest(strings.NewReader(string(desc.Manifest)))
	if err != nil {
		return v1.Descriptor{}, render.Refuse("", 0, "%s: manifest: %v", tag, err)
	}
	for _, l := range m.Layers {
		if l.MediaType != layerType && l.MediaType != oldLayerType {
			continue
		}
		if l.Size > maxArchive {
			return v1.Descriptor{}, render.Refuse("", 0, "larger than %d MiB", maxArchive>>20)
		}
		if !digestRE.MatchString(l.Digest.String()) {
			return v1.Descriptor{}, render.Refuse("", 0, "%s: %.80q is no digest", tag, l.Digest)
		}
		return l, nil
	}
	return v1.Descriptor{}, render.Refuse("", 0, "%s is no chart: none of its layers is one", tag)
}

// failed makes a refusal of an answer that will not be another one soon.
func failed(err error) error {
	var te *transport.Error
	if errors.As(err, &te) {
		switch te.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return render.Refuse("", 0, "the registry answers %d: it wants credentials, or others; name a secret in credentialsSecret", te.StatusCode)
		case http.StatusNotFound:
			return render.Refuse("", 0, "the registry answers 404: there is no such chart or version")
		}
	}
	return classify(err)
}

// bounded limits every answer, and keeps a password from plain connections and from
// hosts of others: a registry may name another host for its tokens, of the same domain.
type bounded struct {
	next http.RoundTripper
	host string
}

// RoundTrip is of http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, _, basic := r.BasicAuth(); basic {
		switch {
		case r.URL.Scheme != "https":
			return nil, render.Refuse("", 0, "%s: credentials are not sent over plain http; use https", r.URL.Host)
		case !sameSite(b.host, r.URL.Host):
			return nil, render.Refuse("", 0, "the registry wants its credentials sent to %s, which is not of its domain", r.URL.Host)
		}
	}
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limited{ReadCloser: resp.Body, left: maxArchive}
	return resp, nil
}

func sameSite(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	ua, ub := url.URL{Host: a}, url.URL{Host: b}
	da, errA := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(ua.Hostname()))
	db, errB := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(ub.Hostname()))
	return errA == nil && errB == nil && da == db
}

// limited fails a body that has more than it may.
type limited struct {
	io.ReadCloser
	left int64
}

// Read is of io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, fmt.Errorf("an answer is larger than %d MiB", maxArchive>>20)
	}
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left+1)])
	l.left -= int64(n)
	return n, err
}
