// Package refs owns what the spec of a Repository says of its refs and files: which
// refs are acted on, which rule protects one, which files concern it. It decides by
// names alone: it never reads a repository, and never asks who may do what.
//
// Start at Watched.
package refs

import (
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/pattern"
)

const (
	heads = "refs/heads/"
	tags  = "refs/tags/"
)

// Watched says whether a full ref name is a branch or tag that the repository acts on.
// What is not watched is not recorded, and so runs and deploys nothing.
func Watched(spec *v1alpha1.RepositorySpec, ref string) bool {
	if name, ok := strings.CutPrefix(ref, heads); ok {
		return chosen(name, spec.Branches, spec.ExcludeBranches)
	}
	name, ok := strings.CutPrefix(ref, tags)
	return ok && chosen(name, spec.Tags, spec.ExcludeTags)
}

func chosen(name string, take, leave []string) bool {
	return name != "" && (len(take) == 0 || matches(take, name)) && !matches(leave, name)
}

func matches(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool {
		ok, err := doublestar.Match(g, name)
		return ok && err == nil
	})
}

// Concerns says whether one of files, paths within the repository, is among spec.paths.
func Concerns(spec *v1alpha1.RepositorySpec, files []string) bool {
	if len(spec.Paths) == 0 {
		return true
	}
	globs := make([]string, 0, 2*len(spec.Paths))
	for _, g := range spec.Paths {
		g = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(g, "./"), "/"), "/")
		globs = append(globs, g, g+"/**")
	}
	return slices.ContainsFunc(files, func(f string) bool { return matches(globs, f) })
}

// Rule is the first rule of spec.protect for a full ref name, or nil.
func Rule(spec *v1alpha1.RepositorySpec, ref string) *v1alpha1.ProtectRule {
	name, branch := strings.CutPrefix(ref, heads)
	if !branch {
		var tag bool
		if name, tag = strings.CutPrefix(ref, tags); !tag {
			return nil
		}
	}
	for i := range spec.Protect {
		r := &spec.Protect[i]
		if pattern.Match(r.Pattern, name) || strings.HasPrefix(r.Pattern, "refs/") && pattern.Match(r.Pattern, ref) {
			return r
		}
	}
	return nil
}

// Pusher says whether the rule lets a person change its refs.
func Pusher(r *v1alpha1.ProtectRule, user string, groups []string) bool {
	if r.Pushers == nil {
		return true
	}
	return slices.Contains(r.Pushers.Users, user) ||
		slices.ContainsFunc(r.Pushers.Groups, func(g string) bool { return slices.Contains(groups, g) })
}
