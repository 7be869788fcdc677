package commitstatus

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

// The kinds of forges.
const (
	GitHub = "github"
	GitLab = "gitlab"
	// Gitea is Forgejo too.
	Gitea = "gitea"
	// Bitbucket is Cloud and Data Center.
	Bitbucket = "bitbucket"
)

// public forges, by host.
var public = map[string]string{"github.com": GitHub, "gitlab.com": GitLab, "codeberg.org": Gitea, "gitea.com": Gitea, "bitbucket.org": Bitbucket}

// sshHosts are those that public forges have for ssh on another port.
var sshHosts = map[string]string{"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com", "altssh.bitbucket.org": "bitbucket.org"}

// Target is where the statuses of a repository go.
type Target struct {
	Kind string
	// API without a slash at its end.
	API *url.URL
	// Project is owner/name; at GitLab groups may come before.
	Project string
}

// TargetOf a repository with spec.forge. The error says what to write there.
func TargetOf(repo *v1alpha1.Repository) (Target, error) {
	f := repo.Spec.Forge
	var at *url.URL
	if repo.Spec.URL != "" {
		u, err := url.Parse(repo.Spec.URL)
		if err != nil || u.Host == "" {
			return Target{}, errors.New("forge: the repository's url is not readable; correct spec.url")
		}
		at = u
	}
	t := Target{Kind: f.Kind, Project: f.Project}
	host := ""
	if at != nil {
		host = strings.ToLower(at.Hostname())
		if known := sshHosts[host]; known != "" {
			host = known
		}
		if t.Project == "" {
			t.Project = strings.TrimSuffix(strings.Trim(at.Path, "/"), ".git")
			if f.Kind == Bitbucket {
				t.Project = strings.TrimPrefix(t.Project, "scm/") // what Data Center puts before it over https
			}
		}
	}
	if t.Kind == "" {
		if t.Kind = public[host]; t.Kind == "" {
			return Target{}, fmt.Errorf("forge: of which kind %q is cannot be told; set spec.forge.kind to github, gitlab, gitea or bitbucket", host)
		}
	}
	if err := validProject(t.Kind, t.Project); err != nil {
		return Target{}, err
	}
	raw := f.API
	if raw == "" {
		if at == nil {
			return Target{}, errors.New("forge: the repository has no url to derive the API's address from; set spec.forge.api and spec.forge.project")
		}
		raw = api(t.Kind, at, host)
	}
	u, err := url.Parse(strings.TrimRight(raw, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return Target{}, errors.New("forge: spec.forge.api is not an address such as https://git.example.org/api/v4")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return Target{}, fmt.Errorf("forge: a token is not sent to %s over plain http; set spec.forge.api to an https address", u.Host)
	}
	t.API = u
	return t, nil
}

// api of a forge at the address of one of its repositories.
func api(kind string, at *url.URL, host string) string {
	if kind == GitHub && host == "github.com" {
		return "https://api.github.com"
	}
	if kind == Bitbucket && host == "bitbucket.org" {
		return bitbucketCloud
	}
	base := "https://" + host
	if at.Scheme == "https" || at.Scheme == "http" {
		base = at.Scheme + "://" + at.Host
	}
	return base + map[string]string{GitHub: "/api/v3", GitLab: "/api/v4", Gitea: "/api/v1", Bitbucket: "/rest/api/latest"}[kind]
}

// validProject refuses what is not owner/name, and what a server could read as a way up.
func validProject(kind, project string) error {
	parts := strings.Split(project, "/")
	ok := len(parts) == 2 || kind == GitLab && len(parts) > 2
	for _, p := range parts {
		ok = ok && p != "" && p != "." && p != ".." && !strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f })
	}
	if !ok {
		return fmt.Errorf("forge: %q is not a project of %s; set spec.forge.project to owner/name", clip(project, 100), kind)
	}
	return nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// bound says whether a Secret that names host may be sent to the target. The APIs of GitHub
// and Bitbucket have hosts of their own, which people who write github.com mean as well.
func (t Target) bound(host string) bool {
	if (host == "github.com" || host == "bitbucket.org") && t.API.Host == "api."+host && t.API.Scheme == "https" {
		return true
	}
	return host != "" && (host == t.API.Host || host == t.API.Hostname() && t.API.Port() == "" || host == net.JoinHostPort(t.API.Hostname(), port(t.API)))
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"https": "443", "http": "80"}[u.Scheme]
}

// to names where a status of the context goes, in one line.
func (t Target) to(context string) string { return t.API.Host + " " + t.Project + " " + context }
