package build

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	namespaceRE = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
	nameRE      = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagRE       = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	platformRE  = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(?:/[a-z0-9]+)?$`)
	argRE       = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	targetRE    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

// validate checks every string that becomes part of a name or an attribute, and
// fills in the defaults.
func (r *Request) validate() error {
	if r.Tag == "" {
		r.Tag = "latest"
	}
	if r.Dockerfile == "" {
		r.Dockerfile = "Dockerfile"
	}
	switch {
	case r.Context == nil:
		return errors.New("build without a context")
	case !namespaceRE.MatchString(r.Namespace):
		return fmt.Errorf("build namespace %q: not a namespace name", r.Namespace)
	case !nameRE.MatchString(r.Name) || len(r.Name) > 180:
		return fmt.Errorf("image name %q: use lower-case letters, digits and single '.', '_', '-' or '/' between them", r.Name)
	case !tagRE.MatchString(r.Tag):
		return fmt.Errorf("image tag %q: use letters, digits, '.', '_' and '-'", r.Tag)
	case r.Platform != "" && !platformRE.MatchString(r.Platform):
		return fmt.Errorf("platform %q: give one as linux/amd64", r.Platform)
	case r.Target != "" && !targetRE.MatchString(r.Target):
		return fmt.Errorf("build target %q: not a stage name", r.Target)
	case !filepath.IsLocal(r.Dockerfile) || strings.ContainsAny(r.Dockerfile, "\x00\r\n\\"):
		return fmt.Errorf("dockerfile %q: not a path within the context", r.Dockerfile)
	}
	r.Dockerfile = path.Clean(r.Dockerfile)
	if r.DockerfileText != nil {
		r.Dockerfile = "Dockerfile"
	}
	for name := range r.Labels {
		if name == "" || strings.ContainsAny(name, "\x00\r\n") {
			return fmt.Errorf("label %q: not a name", name)
		}
	}
	if len(r.Secrets) > 64 {
		return errors.New("a build takes at most 64 secrets")
	}
	for name := range r.BuildArgs {
		if !argRE.MatchString(name) {
			return fmt.Errorf("build argument %q: not a variable name", name)
		}
		if strings.HasPrefix(strings.ToUpper(name), "BUILDKIT_") {
			return fmt.Errorf("build argument %s: names that begin with BUILDKIT_ are set by the server", name)
		}
	}
	return nil
}

// frontendAttrs are what the Dockerfile frontend is told.
func (r *Request) frontendAttrs() map[string]string {
	attrs := map[string]string{
		"filename": r.Dockerfile,
		// With a command line given, a "# syntax=" line is not followed.
		"cmdline": "dockerfile.v0",
		// Cache mounts of one tenant are not those of another.
		"build-arg:BUILDKIT_CACHE_MOUNT_NS": "tenant-" + r.Namespace,
	}
	if r.Target != "" {
		attrs["target"] = r.Target
	}
	if r.Platform != "" {
		attrs["platform"] = r.Platform
	}
	if r.NoCache {
		attrs["no-cache"] = ""
	}
	if r.Pull {
		attrs["image-resolve-mode"] = "pull"
	}
	for name, value := range r.Labels {
		attrs["label:"+name] = value
	}
	for name, value := range r.BuildArgs {
		attrs["build-arg:"+name] = value
	}
	return attrs
}
