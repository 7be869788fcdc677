package cli

import (
	"fmt"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// revisionOptions say what of a repository is followed; each stands in for the others.
var revisionOptions = []option{
	{"branch", "source.branch", "text", "branch to follow (default the repository's)"},
	{"tag", "source.tag", "text", "tag to follow, also to where it is moved, in place of a branch"},
	{"semver", "source.semver", "text", "range of versions whose highest tag is followed, such as 1.x or '>=1.2.0 <2'"},
	{"commit", "source.commit", "text", "commit to hold, by its name or the first seven digits of it or more"},
}

func flagNames(options []option) (flags []string) {
	for _, o := range options {
		flags = append(flags, o.flag)
	}
	return flags
}

// instead takes away what else is followed where a change names something that is.
func instead(change map[string]any) {
	source, _ := change["source"].(map[string]any)
	given := false
	for _, o := range revisionOptions {
		given = given || source[o.flag] != nil
	}
	for _, o := range revisionOptions {
		if _, said := source[o.flag]; given && !said {
			source[o.flag] = nil
		}
	}
}

// followed is what an application follows, and the tag that this is now.
func followed(a *slipway.Application) string {
	s := &a.Spec.Source
	switch tag := a.Spec.Desired.Tag(); {
	case s.Semver != "" && tag != "":
		return fmt.Sprintf("%s (%s)", s.Semver, tag)
	case s.Semver != "":
		return s.Semver
	case s.Tag != "":
		return s.Tag
	case s.Commit != "":
		return short(s.Commit)
	}
	return s.Branch
}
