package generate

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/pattern"
)

// Item is one thing to make an application of.
type Item struct {
	// Ref is the full name that it follows; of a directory, the branch's.
	Ref       string
	Directory string
	Branch    string
	Target    string
	Number    int64
	Commit    string
	Sequence  int64
	// By wrote the merge request; text from outside.
	By   string
	Fork bool
	// Forks is the generator's word for those from forks.
	Forks string
}

// what a person calls it.
func (i Item) what() string {
	switch {
	case i.Number > 0:
		return fmt.Sprintf("merge request %d", i.Number)
	case i.Directory != "":
		return "directory " + i.Directory
	}
	return "branch " + i.Branch
}

// key tells items apart, also over time.
func (i Item) key() string {
	if i.Directory != "" {
		return i.Ref + ":" + i.Directory
	}
	return i.Ref
}

func (i Item) params(set *v1alpha1.ApplicationSet) Params {
	p := Params{"repository": set.Spec.Repository, "set": set.Name}
	if i.Directory != "" {
		p.both("directory", i.Directory)
		p.both("directory.name", path.Base(i.Directory))
	}
	if i.Branch != "" {
		p.both("branch", i.Branch)
	}
	if i.Number > 0 {
		p["number"] = strconv.FormatInt(i.Number, 10)
		p.both("target", i.Target)
	}
	if i.Directory == "" {
		p["commit"], p["commit.short"] = i.Commit, i.Commit[:min(len(i.Commit), 8)]
	}
	return p
}

// errUnseen says that what there is cannot be seen now: nothing is taken away then.
type errUnseen struct{ error }

// directories lists the directories of a commit that hold a file.
type directories func(commit string) ([]string, error)

// items of a set, in a fixed order.
func items(set *v1alpha1.ApplicationSet, repo *v1alpha1.Repository, dirs directories) ([]Item, error) {
	var out []Item
	for n, g := range set.Spec.Generators {
		var found []Item
		var err error
		switch {
		case one(g) != 1:
			err = fmt.Errorf("want exactly one of directories, branches and mergeRequests")
		case g.Directories != nil:
			found, err = ofDirectories(g.Directories, repo, dirs)
		case g.Branches != nil:
			found = ofBranches(g.Branches, repo)
		default:
			found = ofMergeRequests(g.MergeRequests, repo)
		}
		if err != nil {
			return nil, fmt.Errorf("generator %d: %w", n+1, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

func one(g v1alpha1.Generator) int {
	n := 0
	for _, set := range []bool{g.Directories != nil, g.Branches != nil, g.MergeRequests != nil} {
		if set {
			n++
		}
	}
	return n
}

func ofDirectories(g *v1alpha1.DirectoryGenerator, repo *v1alpha1.Repository, dirs directories) ([]Item, error) {
	if err := validGlobs(g.Include, g.Exclude); err != nil {
		return nil, err
	}
	branch := g.Branch
	if branch == "" {
		branch = repo.Status.DefaultBranch
	}
	ref := "refs/heads/" + branch
	head, ok := repo.Status.Refs[ref]
	if !ok || head.Commit == "" {
		return nil, errUnseen{fmt.Errorf("branch %q of repository %s has no commit", branch, repo.Name)}
	}
	all, err := dirs(head.Commit)
	if err != nil {
		return nil, errUnseen{err}
	}
	var out []Item
	for _, d := range all {
		if globbed(g.Include, d) && !globbed(g.Exclude, d) {
			out = append(out, Item{Ref: ref, Directory: d, Branch: branch, Commit: head.Commit, Sequence: head.Sequence})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Directory < out[j].Directory })
	return out, nil
}

func validGlobs(lists ...[]string) error {
	for _, list := range lists {
		for _, g := range list {
			if !doublestar.ValidatePattern(g) || strings.HasPrefix(g, "/") {
				return fmt.Errorf("pattern %.80q of directories is not valid; write paths within the repository, such as apps/*", g)
			}
		}
	}
	return nil
}

func globbed(globs []string, name string) bool {
	for _, g := range globs {
		if ok, err := doublestar.Match(strings.TrimSuffix(g, "/"), name); ok && err == nil {
			return true
		}
	}
	return false
}

func ofBranches(g *v1alpha1.BranchGenerator, repo *v1alpha1.Repository) []Item {
	var out []Item
	for ref, s := range repo.Status.Refs {
		name, ok := strings.CutPrefix(ref, "refs/heads/")
		if !ok || s.Commit == "" || matched(g.Exclude, name) {
			continue
		}
		if len(g.Include) == 0 && name == repo.Status.DefaultBranch || len(g.Include) > 0 && !matched(g.Include, name) {
			continue
		}
		out = append(out, Item{Ref: ref, Branch: name, Commit: s.Commit, Sequence: s.Sequence})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Branch < out[j].Branch })
	return out
}

func ofMergeRequests(g *v1alpha1.MergeRequestGenerator, repo *v1alpha1.Repository) []Item {
	forks := g.Forks
	if forks == "" {
		forks = v1alpha1.ForksNever
	}
	var out []Item
	for _, m := range repo.Status.MergeRequests {
		if !m.Open() || m.Fork && forks == v1alpha1.ForksNever || len(g.Targets) > 0 && !matched(g.Targets, m.Target) {
			continue
		}
		out = append(out, Item{
			Ref: v1alpha1.MergeRequestRef(m.Number), Branch: m.Source, Target: m.Target, Number: m.Number,
			Commit: m.Commit, Sequence: m.Sequence, By: m.Author, Fork: m.Fork, Forks: forks,
		})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Number < out[j].Number })
	return out
}

func matched(patterns []string, name string) bool {
	for _, p := range patterns {
		if pattern.Match(p, name) {
			return true
		}
	}
	return false
}
