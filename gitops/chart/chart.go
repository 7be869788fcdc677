// Package chart owns how packed Helm charts are fetched from elsewhere: from a chart
// repository with an index.yaml, or from an OCI registry. Addresses are checked when
// they are dialled, credentials go to their one host, sizes are bounded, and what was
// fetched is kept by its digest. It never unpacks a chart and never reads an index: both
// are jobs for the rendering child.
//
// Start at Client.Resolve.
package chart

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/outside"
	"slipway.dev/gitops/render"
)

const (
	maxArchive = 16 << 20
	maxIndex   = 48 << 20
	maxCache   = 2 << 30
	patience   = 2 * time.Minute
	// fresh is how long an index is not asked for again.
	fresh = 10 * time.Second
)

// Finder looks charts up in an index; *render.Runner satisfies it.
type Finder interface {
	Find(ctx context.Context, dir string, q render.IndexQuery) (*render.IndexEntry, error)
}

var _ Finder = (*render.Runner)(nil)

// Client fetches charts.
type Client struct {
	// Dir keeps what was fetched; it is made, and only we look into it.
	Dir   string
	Guard outside.Guard
	Index Finder
	// Own reaches this server's own registry, registry.slipway.internal, whose charts are
	// those of the namespace. Nil: it is not there.
	Own http.RoundTripper
	// MaxCache is how many bytes of charts and indexes are kept. Default 2 GiB.
	MaxCache int64

	flights singleflight.Group
}

// Credentials for one host.
type Credentials struct {
	Host, Username, Password string
	// Roots are trusted for the host, in place of the system's; nil: the system's.
	Roots *x509.CertPool
}

// Ref names a chart, as somebody in Namespace wants it.
type Ref struct {
	Namespace string
	// Repository is https://…, http://… or oci://…
	Repository string
	Chart      string
	// Version or range of versions.
	Version     string
	Credentials *Credentials
}

// Found is one version of a chart, by the digest of its archive.
type Found struct{ Version, Digest string }

var (
	chartName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$`)
	digestRE  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// Resolve finds the version that the ref means, and fetches it if it is not kept. What
// will not work by trying again is a *render.Error.
func (c *Client) Resolve(ctx context.Context, ref Ref) (Found, error) {
	u, err := parse(ref)
	if err != nil {
		return Found{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("chart %s of %s: not fetched within %s", ref.Chart, public(u), patience))
	defer cancel()
	var found Found
	if u.Scheme == "oci" {
		found, err = c.fromRegistry(ctx, ref, u)
	} else {
		found, err = c.fromIndex(ctx, ref, u)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return Found{}, cause
		}
		return Found{}, fmt.Errorf("chart %s of %s: %w", ref.Chart, public(u), err)
	}
	return found, nil
}

// Archive is the file of a version that was resolved before. If it is not kept any
// more it is fetched again, and must be the same.
func (c *Client) Archive(ctx context.Context, ref Ref, digest string) (string, error) {
	if !digestRE.MatchString(digest) {
		return "", render.Refuse("", 0, "chart %s: %.80q is no digest", ref.Chart, digest)
	}
	if file, ok := c.kept(ref.Namespace, digest); ok {
		return file, nil
	}
	found, err := c.Resolve(ctx, ref)
	if err != nil {
		return "", err
	}
	if found.Digest != digest {
		return "", render.Refuse("", 0, "chart %s %s was changed where it is kept: it was %s and is now %s", ref.Chart, ref.Version, digest, found.Digest)
	}
	if file, ok := c.kept(ref.Namespace, digest); ok {
		return file, nil
	}
	return "", fmt.Errorf("chart %s %s: not kept", ref.Chart, ref.Version)
}

// parse refuses what is not plainly an address of charts.
func parse(ref Ref) (*url.URL, error) {
	refuse := func(why string) (*url.URL, error) {
		return nil, render.Refuse("", 0, "chart repository %.200q: %s", publicText(ref.Repository), why)
	}
	if len(ref.Repository) > 1000 || strings.ContainsFunc(ref.Repository, func(r rune) bool { return r <= 0x20 || r == 0x7f }) {
		return refuse("give https:// or oci:// and an address")
	}
	u, err := url.Parse(ref.Repository)
	switch {
	case err != nil || u.Opaque != "" || u.Fragment != "" || u.RawQuery != "" || u.Hostname() == "":
		return refuse("give https:// or oci:// and an address")
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "oci":
		return refuse("give https:// or oci:// and an address")
	case u.User != nil:
		return refuse("it holds credentials; put them into a secret and name it in credentialsSecret")
	case len(ref.Chart) > 250 || !chartName.MatchString(ref.Chart) || strings.Contains(ref.Chart, ".."):
		return nil, render.Refuse("", 0, "chart name %.80q is not valid", ref.Chart)
	case u.Host == v1alpha1.RegistryHost && u.Scheme != "oci":
		return refuse("charts of this server's registry are at oci://")
	}
	return u, nil
}

// For says whether credentials may be sent to a host.
func (c *Credentials) For(u *url.URL) bool { return c.bound(u) && c.Password != "" }

// bound says whether they are meant for a host.
func (c *Credentials) bound(u *url.URL) bool {
	return c != nil && (strings.EqualFold(c.Host, u.Host) || strings.EqualFold(c.Host, u.Hostname()))
}

// transport to what is asked of an address.
func (c *Client) transport(u *url.URL, cred *Credentials) *http.Transport {
	t := c.Guard.Transport()
	if cred.bound(u) && cred.Roots != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: cred.Roots, MinVersion: tls.VersionTLS12}
	}
	return t
}

// public is an address without what could be a credential.
func public(u *url.URL) string {
	p := *u
	p.User, p.RawQuery, p.Fragment = nil, "", ""
	return p.String()
}

func publicText(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an unreadable address"
	}
	return public(u)
}
