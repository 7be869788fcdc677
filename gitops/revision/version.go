package revision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/refs"
)

// maxRange of a range, in bytes: the parser is given no more.
const maxRange = 200

// parseRange reads a range of versions.
func parseRange(text string) (*semver.Constraints, error) {
	if len(text) > maxRange {
		return nil, fmt.Errorf("spec.source.semver: a range of %d bytes; at most %d", len(text), maxRange)
	}
	r, err := semver.NewConstraint(text)
	if err != nil {
		return nil, fmt.Errorf("spec.source.semver %.100q is no range of versions; write one such as 1.x, ~1.2 or >=1.2.0 <2", text)
	}
	return r, nil
}

// versionOf a tag; nil where it is none. A tag may begin with v, and leave the last part
// out; v1 and 20260101, which are one number, are no versions.
func versionOf(tag string) *semver.Version {
	if len(tag) > maxRange || !strings.Contains(numbers(tag), ".") {
		return nil
	}
	v, err := semver.NewVersion(tag)
	if err != nil {
		return nil
	}
	return v
}

// higher says whether a tag is a higher version than another.
func higher(tag, than string) bool {
	a, b := versionOf(tag), versionOf(than)
	return a != nil && b != nil && a.GreaterThan(b)
}

// numbers of a version, without what is said of a pre-release or a build.
func numbers(tag string) string {
	if i := strings.IndexAny(tag, "-+"); i >= 0 {
		return tag[:i]
	}
	return tag
}

// tagged is a tag that is a version.
type tagged struct {
	name     string
	version  *semver.Version
	sequence int64
}

// compare by version. Of two tags that are one version, 1.2 is below 1.2.0, then what was
// pushed later is higher.
func (a tagged) compare(b tagged) int {
	parts := func(t tagged) int { return strings.Count(numbers(t.name), ".") }
	return cmp.Or(a.version.Compare(b.version), cmp.Compare(parts(a), parts(b)), cmp.Compare(a.sequence, b.sequence), cmp.Compare(a.name, b.name))
}

// versions among the tags, the highest first.
func versions(repo *v1alpha1.Repository) []tagged {
	var out []tagged
	for ref, status := range repo.Status.Refs {
		if name, ok := strings.CutPrefix(ref, tags); ok {
			if v := versionOf(name); v != nil {
				out = append(out, tagged{name, v, status.Sequence})
			}
		}
	}
	slices.SortFunc(out, func(a, b tagged) int { return b.compare(a) })
	return out
}

// highest tag in the range of an application. With it comes why it does not take the place
// of the tag that is desired, if that is higher and was deleted.
func (f *Finder) highest(app *v1alpha1.Application) (*v1alpha1.Desired, *Lost) {
	repo, s := f.repo, &app.Spec.Source
	r, err := parseRange(s.Semver)
	if err != nil {
		return nil, lost(Invalid, "%v", err)
	}
	all := f.versions()
	var found *v1alpha1.Desired
	if i := slices.IndexFunc(all, func(t tagged) bool { return r.Check(t.version) }); i >= 0 {
		found = at(repo, v1alpha1.TagRef(all[i].name))
	}
	have := app.Spec.Desired
	before := versionOf(have.Tag())
	_, there := repo.Status.Refs[v1alpha1.TagRef(have.Tag())]
	switch {
	case before != nil && !there && r.Check(before) && (found == nil || !Takes(app, found)):
		next := "no other tag is in it"
		if found != nil {
			next = fmt.Sprintf("the highest is %s now, which `slipway app sync %s` goes to", found.Tag(), app.Name)
		}
		return found, lost(TagDeleted, "repository %s: tag %q, the highest in the range %q, was deleted; commit %.12s of it stays, and %s", repo.Name, have.Tag(), s.Semver, have.Commit, next)
	case found != nil:
		return found, nil
	}
	hint := ""
	if i := slices.IndexFunc(all, func(t tagged) bool {
		return t.version.Prerelease() != "" && r.Check(semver.New(t.version.Major(), t.version.Minor(), t.version.Patch(), "", ""))
	}); i >= 0 {
		hint = fmt.Sprintf(". %s is a pre-release, which is in no range that names none; such as >=%d.%d.%d-0 does", all[i].name, all[i].version.Major(), all[i].version.Minor(), all[i].version.Patch())
	}
	return nil, lost(NoTagMatches, "repository %s: no tag is in the range %q; %s%s", repo.Name, s.Semver, newest(repo), hint)
}

// noTag says that a tag is not there, or not any more.
func noTag(repo *v1alpha1.Repository, app *v1alpha1.Application) *Lost {
	tag := app.Spec.Source.Tag
	if have := app.Spec.Desired; have.Tag() == tag {
		return lost(TagDeleted, "repository %s: tag %q was deleted; commit %.12s of it stays", repo.Name, tag, have.Commit)
	}
	if !refs.Watched(&repo.Spec, v1alpha1.TagRef(tag)) {
		return lost(TagNotFound, "repository %s: tag %q is left out by its filters (spec.tags, spec.excludeTags); %s", repo.Name, tag, newest(repo))
	}
	return lost(TagNotFound, "repository %s: tag %q not found; %s", repo.Name, tag, newest(repo))
}

// newest tags of a repository, for a message: the highest versions, then what else was
// pushed last.
func newest(repo *v1alpha1.Repository) string {
	all := names(repo, tags)
	if len(all) == 0 {
		return "it has no tag yet"
	}
	versions, others := Split(all)
	slices.SortStableFunc(others, func(a, b string) int {
		return cmp.Compare(repo.Status.Refs[tags+b].Sequence, repo.Status.Refs[tags+a].Sequence)
	})
	return "newest tags: " + first(append(versions, others...))
}

// Split tags into those that are versions, the highest first, and the others, of which
// those that sort last come first.
func Split(tags []string) (versions, others []string) {
	of := map[string]*semver.Version{}
	for _, tag := range tags {
		if of[tag] = versionOf(tag); of[tag] != nil {
			versions = append(versions, tag)
		} else {
			others = append(others, tag)
		}
	}
	slices.SortFunc(versions, func(a, b string) int { return cmp.Or(of[b].Compare(of[a]), cmp.Compare(b, a)) })
	slices.SortFunc(others, func(a, b string) int { return cmp.Compare(b, a) })
	return versions, others
}

// names of refs without what they begin with.
func names(repo *v1alpha1.Repository, prefix string) []string {
	var out []string
	for ref := range repo.Status.Refs {
		if name, ok := strings.CutPrefix(ref, prefix); ok {
			out = append(out, name)
		}
	}
	return out
}

// Few of the names, sorted, for a message.
func Few(names []string) string {
	slices.Sort(names)
	return first(names)
}

func first(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	const most = 10
	more := ""
	if n := len(names) - most; n > 0 {
		names, more = names[:most], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ") + more
}
