package gitlab

import (
	"errors"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// component at SERVER/NAMESPACE/REPOSITORY/NAME@VERSION.
func (l *loader) component(address string, at place) []*unit {
	where, version, ok := strings.Cut(address, "@")
	parts := strings.Split(where, "/")
	if !ok || version == "" || len(parts) < 4 || slices.Contains(parts, "") || slices.Contains(parts, "..") {
		l.add(at, ruleInclude, "write $CI_SERVER_FQDN/NAMESPACE/REPOSITORY/COMPONENT@VERSION", "component %q is not an address", address)
		return nil
	}
	server, project, name := parts[0], strings.Join(parts[1:len(parts)-1], "/"), parts[len(parts)-1]
	if u, err := url.Parse(l.ctx.ServerURL); err == nil && u.Host != server {
		l.add(at, ruleInclude, "mirror it into a repository here, and write $CI_SERVER_FQDN for the server", "component %s: it is of the server %s; only those of this one (%s) can be included", address, server, u.Host)
		return nil
	}
	h, released := l.version(project, version, at)
	if h == nil {
		return nil
	}
	for _, file := range []string{"templates/" + name + ".yml", "templates/" + name + "/template.yml"} {
		content, err := h.files.File(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			l.add(at, ruleInclude, "", "component %s: %s", address, err)
			return nil
		}
		_, commit, _ := strings.Cut(h.key, "@")
		return []*unit{{
			home: h, path: file, file: h.prefix + file, content: content, at: at,
			component: map[string]*value{
				"name": stringValue(name, at), "reference": stringValue(version, at), "sha": stringValue(commit, at), "version": stringValue(released, at),
			},
		}}
	}
	l.add(at, ruleInclude, "it is templates/"+name+".yml or templates/"+name+"/template.yml there", "repository %s at %s has no component %q", project, version, name)
	return nil
}

func stringValue(s string, at place) *value {
	if s == "" {
		return &value{place: at}
	}
	return &value{kind: kindString, text: s, place: at}
}

// version of a component: a commit, tag or branch, or the youngest release of a
// partial version or ~latest. It is also said as a release, where it is one.
func (l *loader) version(project, version string, at place) (h *home, released string) {
	tags, ok := l.tags(project, at)
	if !ok {
		return nil, ""
	}
	switch {
	case slices.Contains(tags, version):
		if semver.IsValid(canonical(version)) {
			released = version
		}
		return l.repository(project, "refs/tags/"+version, at), released
	case version != "~latest" && (!partial(version) || l.branch(project, version)):
		return l.repository(project, version, at), ""
	}
	best := ""
	for _, tag := range tags {
		v := canonical(tag)
		if strings.Count(v, ".") < 2 || !semver.IsValid(v) || semver.Prerelease(v) != "" {
			continue
		}
		if version != "~latest" && !strings.HasPrefix(v+".", canonical(version)+".") {
			continue
		}
		if best == "" || semver.Compare(v, canonical(best)) > 0 {
			best = tag
		}
	}
	if best == "" {
		l.add(at, ruleInclude, "tag one, as 1.0.0", "repository %s has no released version for %s", project, version)
		return nil, ""
	}
	return l.repository(project, "refs/tags/"+best, at), best
}

func (l *loader) tags(project string, at place) ([]string, bool) {
	repo, ok := strings.CutPrefix(project, l.ctx.Namespace+"/")
	if !ok || l.ctx.Includes == nil {
		return nil, l.repository(project, "", at) != nil // it says what is wrong
	}
	tags, err := l.ctx.Includes.Tags(repo)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.add(at, ruleInclude, "", "repository %s: %s", project, err)
		return nil, false
	}
	return tags, true
}

// branch that is called as a partial version; it goes before that.
func (l *loader) branch(project, name string) bool {
	repo, ok := strings.CutPrefix(project, l.ctx.Namespace+"/")
	if !ok || l.ctx.Includes == nil {
		return false
	}
	_, _, err := l.ctx.Includes.Project(repo, name)
	return err == nil
}

func canonical(tag string) string {
	if strings.HasPrefix(tag, "v") {
		return tag
	}
	return "v" + tag
}

// partial says whether it is as 1 or 1.2.
func partial(version string) bool {
	return semver.IsValid(canonical(version)) && strings.Count(version, ".") < 2 && !strings.ContainsAny(version, "-+")
}
