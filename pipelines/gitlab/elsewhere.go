package gitlab

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"time"
)

// project files of another repository.
func (l *loader) project(e *value, name string, at place, in *home) []*unit {
	files := e.get("file")
	if files == nil {
		l.add(e.place, ruleInclude, "write `file:` with a path below it", "include:project has no file")
		return nil
	}
	ref := ""
	if r := e.get("ref"); r != nil {
		var ok bool
		if ref, ok = l.location(r, in, "include:ref"); !ok {
			return nil
		}
		at = r.place
	}
	items := []*value{files}
	if files.kind == kindList {
		items = l.flatten(files.items, "include:file")
	}
	h := l.repository(name, ref, at)
	if h == nil {
		return nil
	}
	var out []*unit
	for _, item := range items {
		text, ok := l.location(item, in, "include:file")
		if !ok {
			continue
		}
		if p, ok := l.inside(text, item.place); ok {
			if u := l.fileOf(h, p, item.place); u != nil {
				out = append(out, u)
			}
		}
	}
	return out
}

// repository of the namespace, at a ref; nil where it may not be read.
func (l *loader) repository(name, ref string, at place) *home {
	key := name + "@" + ref
	if h, ok := l.projects[key]; ok {
		return h
	}
	l.projects[key] = nil
	repo, ok := strings.CutPrefix(name, l.ctx.Namespace+"/")
	switch {
	case !ok || repo == "" || strings.Contains(repo, "/"):
		l.add(at, ruleInclude, "repositories here are "+l.ctx.Namespace+"/NAME", "project %q is not found, or access is denied", name)
		return nil
	case l.ctx.Includes == nil:
		l.add(at, ruleInclude, "push it to see the whole pipeline", "project %s: other repositories are known to a server only", name)
		return nil
	}
	files, commit, err := l.ctx.Includes.Project(repo, ref)
	switch {
	case errors.Is(err, fs.ErrNotExist) && ref != "":
		l.add(at, ruleInclude, "", "project %s at %q is not found, or access is denied", name, ref)
		return nil
	case errors.Is(err, fs.ErrNotExist):
		l.add(at, ruleInclude, "repositories here are "+l.ctx.Namespace+"/NAME", "project %q is not found, or access is denied", name)
		return nil
	case err != nil:
		l.add(at, ruleInclude, "", "project %s: %s", name, err)
		return nil
	}
	h := &home{key: name + "@" + commit, prefix: name + "@" + shown(ref, commit) + ":", files: files, variables: true}
	l.projects[key] = h
	return h
}

func shown(ref, commit string) string {
	if ref == "" {
		return commit[:min(8, len(commit))]
	}
	return strings.TrimPrefix(ref, "refs/tags/")
}

// remote file, as anybody may fetch it.
func (l *loader) remote(address string, at place, e *value) []*unit {
	within, ok := l.within(e.get("cache"))
	if !ok {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Opaque != "" {
		l.add(at, ruleInclude, "write an address such as https://example.com/ci.yml", "remote file %q is not an address", address)
		return nil
	}
	if u.User != nil {
		l.add(at, ruleInclude, "remove them; only public files can be included", "the address of a remote file holds credentials")
		return nil
	}
	if ext := path.Ext(u.Path); ext != ".yml" && ext != ".yaml" {
		l.add(at, ruleInclude, "", "the included file %q does not end in .yml or .yaml", address)
		return nil
	}
	if l.ctx.Includes == nil {
		l.add(at, ruleInclude, "push it to see the whole pipeline", "remote file %s: remote files are fetched by a server only", address)
		return nil
	}
	content, ok := l.remotes[address]
	if !ok {
		if content, err = l.ctx.Includes.Remote(address, within); err != nil {
			l.add(at, ruleInclude, "", "remote file %s: %s", address, err)
			return nil
		}
		l.remotes[address] = content
	}
	if integrity := e.get("integrity"); integrity != nil && !l.intact(content, integrity, address) {
		return nil
	}
	return []*unit{{home: &home{key: "remote"}, path: address, file: address, content: content, at: at}}
}

// within is how old a remote file may be.
func (l *loader) within(v *value) (time.Duration, bool) {
	if v == nil {
		return 0, true
	}
	if yes, ok := v.truth(); ok {
		if yes {
			return time.Hour, true
		}
		return 0, true
	}
	d, err := parseDuration(v.text)
	if !v.scalar() || err != nil || d < time.Minute {
		l.add(v.place, ruleInclude, "write true, which is an hour, or a duration of at least a minute such as 1 day", "include:cache %q is no duration", clip(v.text))
		return 0, false
	}
	return d, true
}

func (l *loader) intact(content []byte, integrity *value, address string) bool {
	encoded, ok := strings.CutPrefix(integrity.text, "sha256-")
	want, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(want) != sha256.Size {
		l.add(integrity.place, ruleInclude, "", "integrity is sha256- and a hash in base64")
		return false
	}
	got := sha256.Sum256(content)
	if subtle.ConstantTimeCompare(got[:], want) != 1 {
		l.add(integrity.place, ruleInclude, "look at what changed before you write the new one: sha256-"+base64.StdEncoding.EncodeToString(got[:]),
			"remote file %s has another content than integrity says", address)
		return false
	}
	return true
}
