package render

import (
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// hostLike is a base without a scheme, as github.com/owner/repository//deploy?ref=v1.
var hostLike = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?/[^/]`)

// base gives the path to which a remote base was brought, or asks for it and gives "".
func (t *Tree) base(at Place, key, ref string) (string, error) {
	repository, revision, sub, why := parseBase(ref)
	if why != "" {
		return "", at.Refuse("%s: %.200q: %s", key, ref, why)
	}
	need := Need{Kind: NeedBase, Name: repository, Version: revision, File: at.File, Line: at.Line}
	dir, ok := t.Brought(need)
	if !ok {
		return "", t.Need(need)
	}
	target := path.Join("/", dir, sub)
	if !t.Exists(target) {
		if t.refused != nil {
			return "", t.refused
		}
		return "", at.Refuse("%s: %q is not in %s at %s", key, sub, repository, revision)
	}
	rel, err := filepath.Rel(path.Dir("/"+at.File), target)
	if err != nil {
		return "", at.Refuse("%s: %q: %v", key, ref, err)
	}
	return rel, nil
}

// parseBase takes a base apart: https://host/path[.git][//directory]?ref=revision. The
// revision must be given, as what a branch names changes.
func parseBase(ref string) (repository, revision, sub, why string) {
	if !strings.Contains(ref, "://") {
		ref = "https://" + ref
	}
	u, err := url.Parse(ref)
	switch {
	case err != nil || u.Opaque != "" || u.Fragment != "" || u.Host == "":
		return "", "", "", "not an address of a repository"
	case u.Scheme != "https" && u.Scheme != "http":
		return "", "", "", "only bases over https are fetched"
	case u.User != nil:
		return "", "", "", "an address must not hold credentials"
	}
	query := u.Query()
	revision = query.Get("ref")
	if revision == "" {
		revision = query.Get("version")
	}
	if revision == "" || strings.HasPrefix(revision, "-") {
		return "", "", "", "only Git repositories at a fixed revision are fetched; add ?ref= and a tag or a full commit"
	}
	repo, sub := splitBase(u.Host, u.EscapedPath())
	if repo == "" || strings.Contains(repo, "..") || strings.HasPrefix(path.Clean(sub), "..") || path.IsAbs(sub) {
		return "", "", "", "not an address of a repository"
	}
	if sub, err = url.PathUnescape(sub); err != nil {
		return "", "", "", "not an address of a repository"
	}
	return u.Scheme + "://" + u.Host + repo, revision, path.Clean("./" + sub), ""
}

// splitBase finds where the repository's path ends: at "//", after ".git", or, at the
// hosts where it always has two elements, after those.
func splitBase(host, p string) (repo, sub string) {
	if i := strings.Index(p, "//"); i >= 0 {
		return p[:i], strings.TrimPrefix(p[i:], "//")
	}
	if i := strings.Index(p, ".git/"); i >= 0 {
		return p[:i+4], p[i+5:]
	}
	if host == "github.com" {
		if parts := strings.SplitN(strings.TrimPrefix(p, "/"), "/", 3); len(parts) == 3 {
			return "/" + parts[0] + "/" + parts[1], parts[2]
		}
	}
	return strings.TrimSuffix(p, "/"), ""
}
