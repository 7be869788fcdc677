package chart

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway.dev/cluster/outside"
	"slipway.dev/gitops/render"
)

// fromIndex finds a chart by the index.yaml of its repository.
func (c *Client) fromIndex(ctx context.Context, ref Ref, u *url.URL) (Found, error) {
	index, err := c.index(ctx, ref, u)
	if err != nil {
		return Found{}, err
	}
	entry, err := c.Index.Find(ctx, filepath.Dir(index), render.IndexQuery{File: filepath.Base(index), Chart: ref.Chart, Version: ref.Version})
	if err != nil {
		return Found{}, err
	}
	wanted := ""
	if d := strings.TrimPrefix(entry.Digest, "sha256:"); d != "" {
		if wanted = "sha256:" + strings.ToLower(d); !digestRE.MatchString(wanted) {
			return Found{}, render.Refuse("index.yaml", 0, "digest %.80q of version %s is not one", entry.Digest, entry.Version)
		}
		if _, ok := c.kept(ref.Namespace, wanted); ok {
			return Found{entry.Version, wanted}, nil
		}
	}
	var digest string
	for _, raw := range entry.URLs {
		if digest, err = c.download(ctx, ref, u, raw, wanted); err == nil {
			return Found{entry.Version, digest}, nil
		}
	}
	return Found{}, err
}

func (c *Client) download(ctx context.Context, ref Ref, base *url.URL, raw, wanted string) (string, error) {
	dir := *base
	dir.Path = strings.TrimSuffix(dir.Path, "/") + "/"
	u, err := dir.Parse(raw)
	if err != nil || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return "", render.Refuse("index.yaml", 0, "%.200q is no address of a chart", publicText(raw))
	}
	if base.Scheme == "https" && u.Scheme != "https" {
		return "", render.Refuse("index.yaml", 0, "%.200q is not https, and the repository is", public(u))
	}
	resp, err := c.get(ctx, u, ref.Credentials, "")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return c.keep(ref.Namespace, resp.Body, maxArchive, wanted)
}

// index gives the file of a repository's index, which is asked for again after a while,
// and fetched again if it changed.
func (c *Client) index(ctx context.Context, ref Ref, u *url.URL) (string, error) {
	who := ""
	if ref.Credentials.For(u) {
		who = hash(ref.Credentials.Username, ref.Credentials.Password)
	}
	file := filepath.Join(c.dir(ref.Namespace), "index-"+hash(u.String(), who)+".yaml")
	_, err, _ := c.flights.Do(file, func() (any, error) { return nil, c.renew(ctx, ref, u, file) })
	return file, err
}

func (c *Client) renew(ctx context.Context, ref Ref, u *url.URL, file string) error {
	tag := ""
	if info, err := os.Stat(file); err == nil {
		if time.Since(info.ModTime()) < fresh {
			return nil
		}
		known, _ := os.ReadFile(file + ".etag")
		tag = string(known)
	}
	at := *u
	at.Path = strings.TrimSuffix(at.Path, "/") + "/index.yaml"
	resp, err := c.get(ctx, &at, ref.Credentials, tag)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	now := time.Now()
	if resp.StatusCode == http.StatusNotModified {
		return os.Chtimes(file, now, now)
	}
	tmp, _, err := c.spool(ref.Namespace, resp.Body, maxIndex)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	// Without its tag an index is only fetched once more than it had to be.
	_ = os.Remove(file + ".etag")
	if err := os.Rename(tmp, file); err != nil {
		return err
	}
	if tag := resp.Header.Get("ETag"); tag != "" && len(tag) < 500 {
		_ = os.WriteFile(file+".etag", []byte(tag), 0o600)
	}
	c.prune(file)
	return nil
}

// get asks for a file. Credentials go to their own host only, and only encrypted.
func (c *Client) get(ctx context.Context, u *url.URL, cred *Credentials, tag string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "slipway")
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	if cred.For(u) {
		if u.Scheme != "https" {
			return nil, render.Refuse("", 0, "%s: credentials are not sent over plain http; use https", public(u))
		}
		r.SetBasicAuth(cred.Username, cred.Password)
	}
	resp, err := (&http.Client{Transport: c.transport(u, cred), CheckRedirect: outside.Redirect}).Do(r)
	if err != nil {
		return nil, classify(err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNotModified:
		return resp, nil
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
	return nil, status(u, resp.StatusCode)
}

func status(u *url.URL, code int) error {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return render.Refuse("", 0, "%s answers %d: it wants credentials, or others; name a secret in credentialsSecret", public(u), code)
	case http.StatusNotFound, http.StatusGone:
		return render.Refuse("", 0, "%s answers %d: there is no such file", public(u), code)
	}
	return fmt.Errorf("%s answers %d", public(u), code)
}

// classify makes a refusal of what will not work by trying again.
func classify(err error) error {
	var refusal *render.Error
	var u *url.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	if errors.As(err, &u) {
		err = u.Err // the address is said already
	}
	switch {
	case errors.Is(err, outside.ErrAddress):
		return render.Refuse("", 0, "%v", err)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return render.Refuse("", 0, "%v; if that is one of your own, put it into the key ca.crt of the secret that credentialsSecret names", err)
	}
	return err
}
