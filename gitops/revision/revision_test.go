package revision

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

// repository of tags, each at a commit of its name, pushed in this order after main.
func repository(tags ...string) *v1alpha1.Repository {
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}
	repo.Status.DefaultBranch, repo.Status.Sequence = "main", int64(len(tags)+1)
	repo.Status.Refs = map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "main", Sequence: 1, By: "ann"}}
	for i, tag := range tags {
		repo.Status.Refs["refs/tags/"+tag] = v1alpha1.RefStatus{Commit: "c-" + tag, Sequence: int64(i + 2), By: "ann"}
	}
	return repo
}

func application(s v1alpha1.Source, desired *v1alpha1.Desired) *v1alpha1.Application {
	s.Repository = "shop"
	return &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: s, Desired: desired}}
}

func source(r v1alpha1.Revision) v1alpha1.Source { return v1alpha1.Source{Revision: r} }

// TestRanges as Masterminds/semver has them, which Argo CD and Flux use too.
func TestRanges(t *testing.T) {
	all := []string{"v1.0.0", "v1.2.0", "v1.10.0", "1.9.3", "v2.0.0-rc.1", "v2.0.0-rc.2", "v0.9", "v1", "latest", "20260101", "v3.0.0+build.7", "shop/v9.0.0", "v1.10.0-dev"}
	for _, c := range []struct{ text, want string }{
		{"1.x", "v1.10.0"}, {"v1.*", "v1.10.0"}, {"v1.9.x", "1.9.3"}, {">=1.2.0 <1.10", "1.9.3"}, {">=1.2.0, <1.10", "1.9.3"}, {"~1.2", "v1.2.0"}, {"^1.0.0", "v1.10.0"},
		{"1.2.0", "v1.2.0"}, {"=v1.0.0", "v1.0.0"}, {"<1", "v0.9"}, {"*", "v3.0.0+build.7"}, {"1.0 - 1.9", "1.9.3"}, {"~0.9 || ~1.0", "v1.0.0"},
		{"2.x", ""}, {">=2.0.0-0 <3", "v2.0.0-rc.2"}, {"~2.0.0-rc.1", "v2.0.0-rc.2"}, {"^2.0.0-0", "v2.0.0-rc.2"}, {">=4", ""},
	} {
		t.Run(c.text, func(t *testing.T) {
			found, why, err := In(repository(all...), nil).Find(t.Context(), application(source(v1alpha1.Revision{Semver: c.text}), nil))
			require.NoError(t, err)
			if c.want == "" {
				require.Nil(t, found)
				require.Equal(t, NoTagMatches, why.Reason)
				require.Contains(t, why.Message, fmt.Sprintf("%q", c.text))
				require.Contains(t, why.Message, "newest tags: v3.0.0+build.7, v2.0.0-rc.2, v2.0.0-rc.1, v1.10.0, v1.10.0-dev, 1.9.3, v1.2.0, v1.0.0, v0.9,")
				return
			}
			require.Nil(t, why)
			require.Equal(t, c.want, found.Tag())
			require.Equal(t, "c-"+c.want, found.Commit)
			require.Equal(t, "refs/tags/"+c.want, found.Revision)
		})
	}
	_, why, _ := In(repository(all...), nil).Find(t.Context(), application(source(v1alpha1.Revision{Semver: "2.x"}), nil))
	require.Contains(t, why.Message, "v2.0.0-rc.2 is a pre-release")
	_, why, _ = In(repository(), nil).Find(t.Context(), application(source(v1alpha1.Revision{Semver: "2.x"}), nil))
	require.Equal(t, `repository shop: no tag is in the range "2.x"; it has no tag yet`, why.Message)
}

// Two tags of one version: the one that is whole, then the later one.
func TestTagsOfOneVersion(t *testing.T) {
	for _, c := range []struct {
		tags []string
		want string
	}{
		{[]string{"v1.2.0", "v1.2"}, "v1.2.0"}, {[]string{"v1.2", "v1.2.0"}, "v1.2.0"},
		{[]string{"v1.2.0", "1.2.0"}, "1.2.0"}, {[]string{"1.2.0", "v1.2.0"}, "v1.2.0"},
		{[]string{"1.2.0+b", "1.2.0+a"}, "1.2.0+a"},
	} {
		found, _, err := In(repository(c.tags...), nil).Find(t.Context(), application(source(v1alpha1.Revision{Semver: "1.x"}), nil))
		require.NoError(t, err)
		require.Equal(t, c.want, found.Tag(), c.tags)
	}
}

// TestWhatIsFollowed: what is found, why not, and whether it takes the place of what is desired.
func TestWhatIsFollowed(t *testing.T) {
	const full, other = "aaaaaaa111111111111111111111111111111111", "aaaaaaa222222222222222222222222222222222"
	value := func(commit, revision string, sequence int64) *v1alpha1.Desired {
		return &v1alpha1.Desired{Commit: commit, Revision: revision, Sequence: sequence}
	}
	moved := repository("v1.2.0")
	moved.Status.Refs["refs/tags/v1.2.0"] = v1alpha1.RefStatus{Commit: "again", Sequence: 9, By: "bob"}
	unnumbered := repository()
	unnumbered.Status.Refs["refs/tags/v1.2.0"] = v1alpha1.RefStatus{Commit: "c-v1.2.0"} // seen at the first look at a mirror
	commits := func(_ context.Context, _, _, prefix string) (string, error) {
		switch {
		case strings.HasPrefix(full, prefix) && strings.HasPrefix(other, prefix):
			return "", fmt.Errorf("of two: %w", ErrAmbiguous)
		case strings.HasPrefix(full, prefix):
			return full, nil
		}
		return "", fs.ErrNotExist
	}
	filtered := repository("v1.2.0")
	filtered.Spec.ExcludeTags = []string{"x*"}
	for _, c := range []struct {
		name   string
		repo   *v1alpha1.Repository
		source v1alpha1.Source
		have   *v1alpha1.Desired
		want   string // commit; empty: nothing
		takes  bool
		reason string
		says   string
	}{
		{name: "branch", repo: repository(), want: "main", takes: true},
		{name: "branch, pushed to", repo: repository(), have: value("old", "refs/heads/main", 0), want: "main", takes: true},
		{name: "branch, an older push", repo: repository(), have: value("newer", "refs/heads/main", 7), want: "main"},
		{name: "branch, of a value of before", repo: repository(), have: value("newer", "", 7), want: "main"},
		{name: "from another branch", repo: repository(), have: value("dev", "refs/heads/dev", 7), want: "main", takes: true},
		{name: "from a tag back", repo: repository("v1.0.0"), have: value("c-v1.0.0", "refs/tags/v1.0.0", 2), want: "main", takes: true},
		{name: "from a commit back", repo: repository(), have: value(full, full, 7), want: "main", takes: true},

		{name: "tag", repo: repository("v1.2.0"), source: source(v1alpha1.Revision{Tag: "v1.2.0"}), want: "c-v1.2.0", takes: true},
		{name: "tag, as it is", repo: repository("v1.2.0"), source: source(v1alpha1.Revision{Tag: "v1.2.0"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 2), want: "c-v1.2.0"},
		{name: "tag, moved", repo: moved, source: source(v1alpha1.Revision{Tag: "v1.2.0"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 2), want: "again", takes: true},
		{name: "to an older tag", repo: repository("v1.0.0", "v1.2.0"), source: source(v1alpha1.Revision{Tag: "v1.0.0"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 3), want: "c-v1.0.0", takes: true},
		{name: "from a newer branch to a tag", repo: unnumbered, source: source(v1alpha1.Revision{Tag: "v1.2.0"}), have: value("main", "refs/heads/main", 7), want: "c-v1.2.0", takes: true},
		{name: "from a branch at the commit of the tag", repo: repository("v1.2.0"), source: source(v1alpha1.Revision{Tag: "v1.2.0"}), have: value("c-v1.2.0", "refs/heads/main", 7), want: "c-v1.2.0", takes: true},
		{name: "no such tag", repo: repository("v1.2.0", "v1.10.0", "stable"), source: source(v1alpha1.Revision{Tag: "v9"}), reason: TagNotFound, says: `tag "v9" not found; newest tags: v1.10.0, v1.2.0, stable`},
		{name: "tag that is left out", repo: filtered, source: source(v1alpha1.Revision{Tag: "x1"}), reason: TagNotFound, says: "left out by its filters"},
		{name: "deleted tag", repo: repository(), source: source(v1alpha1.Revision{Tag: "v1.2.0"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 2), reason: TagDeleted, says: `tag "v1.2.0" was deleted; commit c-v1.2.0 of it stays`},

		{name: "a higher tag", repo: repository("v1.2.0", "v1.3.0"), source: source(v1alpha1.Revision{Semver: "1.x"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 2), want: "c-v1.3.0", takes: true},
		{name: "a higher tag, pushed earlier", repo: repository("v1.3.0", "v1.2.0"), source: source(v1alpha1.Revision{Semver: "1.x"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 3), want: "c-v1.3.0", takes: true},
		{name: "a lower tag, pushed later", repo: repository("v1.3.0", "v1.2.9"), source: source(v1alpha1.Revision{Semver: "1.x"}), have: value("c-v1.3.0", "refs/tags/v1.3.0", 2), want: "c-v1.3.0"},
		{name: "another range, below", repo: repository("v1.3.0", "v2.0.0"), source: source(v1alpha1.Revision{Semver: "1.x"}), have: value("c-v2.0.0", "refs/tags/v2.0.0", 3), want: "c-v1.3.0", takes: true},
		{name: "from a branch to a range", repo: repository("v1.3.0"), source: source(v1alpha1.Revision{Semver: "1.x"}), have: value("main", "refs/heads/main", 9), want: "c-v1.3.0", takes: true},
		{name: "highest tag moved", repo: moved, source: source(v1alpha1.Revision{Semver: "1.x"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 2), want: "again", takes: true},
		{name: "highest tag deleted", repo: repository("v1.1.0"), source: source(v1alpha1.Revision{Semver: "1.x"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 3), want: "c-v1.1.0", reason: TagDeleted,
			says: "commit c-v1.2.0 of it stays, and the highest is v1.1.0 now, which `slipway app sync web` goes to"},
		{name: "only tag deleted", repo: repository(), source: source(v1alpha1.Revision{Semver: "1.x"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 2), reason: TagDeleted, says: "no other tag is in it"},
		{name: "deleted, and a lower one pushed since", repo: repository("v1.0.0", "v1.1.0", "v1.1.1"), source: source(v1alpha1.Revision{Semver: "1.x"}), have: value("c-v1.2.0", "refs/tags/v1.2.0", 3), want: "c-v1.1.1", takes: true},

		{name: "whole commit", repo: repository(), source: source(v1alpha1.Revision{Commit: full}), want: full, takes: true},
		{name: "abbreviated", repo: repository(), source: source(v1alpha1.Revision{Commit: full[:9]}), have: value("main", "refs/heads/main", 9), want: full, takes: true},
		{name: "ambiguous", repo: repository(), source: source(v1alpha1.Revision{Commit: full[:7]}), reason: CommitAmbiguous, says: "several commits begin with aaaaaaa; give more digits"},
		{name: "ambiguous since it is desired", repo: repository(), source: source(v1alpha1.Revision{Commit: full[:7]}), have: value(full, full, 1), want: full},
		{name: "no such commit", repo: repository(), source: source(v1alpha1.Revision{Commit: "bbbbbbb"}), reason: CommitNotFound, says: "commit bbbbbbb not found"},
		{name: "from one commit to another", repo: repository(), source: source(v1alpha1.Revision{Commit: full[:9]}), have: value(other, other, 9), want: full, takes: true},

		{name: "two things", repo: repository("v1.2.0"), source: v1alpha1.Source{Branch: "main", Revision: v1alpha1.Revision{Tag: "v1.2.0"}}, reason: Invalid, says: "spec.source names branch and tag; give one of"},
		{name: "bad range", repo: repository("v1.2.0"), source: source(v1alpha1.Revision{Semver: "latest"}), reason: Invalid, says: `spec.source.semver "latest" is no range of versions`},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := application(c.source, c.have)
			found, why, err := In(c.repo, commits).Find(t.Context(), app)
			require.NoError(t, err)
			if c.reason == "" {
				require.Nil(t, why)
			} else {
				require.Equal(t, c.reason, why.Reason)
				require.Contains(t, why.Message, c.says)
			}
			if c.want == "" {
				require.Nil(t, found)
				return
			}
			require.Equal(t, c.want, found.Commit)
			require.Equal(t, c.takes, Takes(app, found))
			if !c.takes {
				return
			}
			Take(app, found)
			require.Equal(t, found.Revision, app.Spec.Desired.Revision)
			require.Equal(t, c.want, app.Spec.Desired.Commit)
			again, _, err := In(c.repo, commits).Find(t.Context(), app)
			require.NoError(t, err)
			require.False(t, Takes(app, again), "taken once")
		})
	}
}

// A commit by another name is the same value: its images stay.
func TestSameCommitKeepsItsImages(t *testing.T) {
	app := application(source(v1alpha1.Revision{Tag: "v1.2.0"}), &v1alpha1.Desired{Commit: "c-v1.2.0", Revision: "refs/heads/main", Sequence: 9, By: "ann", Images: []v1alpha1.Image{{Name: "web", Digest: "sha256:1"}}})
	found, _, err := In(repository("v1.2.0"), nil).Find(t.Context(), app)
	require.NoError(t, err)
	Take(app, found)
	require.Equal(t, "refs/tags/v1.2.0", app.Spec.Desired.Revision)
	require.Len(t, app.Spec.Desired.Images, 1)
	require.Equal(t, "ann", app.Spec.Desired.By)
}

func TestRunsThatAreOffered(t *testing.T) {
	for _, c := range []struct {
		r           v1alpha1.Revision
		have, ref   string
		commit, why string
	}{
		{ref: "refs/heads/main"}, {ref: ""},
		{r: v1alpha1.Revision{Tag: "v1"}, ref: "refs/tags/v1"},
		{r: v1alpha1.Revision{Tag: "v1"}, ref: "refs/tags/v2", why: "follows tag v1"},
		{r: v1alpha1.Revision{Tag: "v1"}, ref: "refs/heads/v1", why: "follows tag v1"},
		{r: v1alpha1.Revision{Tag: "v1"}, why: "follows tag v1"},
		{r: v1alpha1.Revision{Semver: "1.x"}, ref: "refs/tags/v1.2.0"},
		{r: v1alpha1.Revision{Semver: "1.x"}, have: "v1.1.0", ref: "refs/tags/v1.2.0"},
		{r: v1alpha1.Revision{Semver: "1.x"}, have: "v2.1.0", ref: "refs/tags/v1.2.0"},
		{r: v1alpha1.Revision{Semver: "1.x"}, have: "v1.3.0", ref: "refs/tags/v1.2.0", why: "follows tags 1.x, of which it has v1.3.0"},
		{r: v1alpha1.Revision{Semver: "1.x"}, ref: "refs/tags/v2.0.0", why: "follows tags 1.x"},
		{r: v1alpha1.Revision{Semver: "1.x"}, ref: "refs/tags/latest", why: "follows tags 1.x"},
		{r: v1alpha1.Revision{Semver: "1.x"}, ref: "refs/heads/main", why: "follows tags 1.x"},
		{r: v1alpha1.Revision{Commit: "abcdef0"}, ref: "refs/heads/main", commit: "abcdef0123"},
		{r: v1alpha1.Revision{Commit: "abcdef0"}, ref: "refs/heads/main", commit: "123", why: "holds commit abcdef0"},
	} {
		var have *v1alpha1.Desired
		if c.have != "" {
			have = &v1alpha1.Desired{Commit: "x", Revision: "refs/tags/" + c.have}
		}
		require.Equal(t, c.why, Offers(application(source(c.r), have), c.ref, c.commit), "%+v", c)
	}
}

// TestCheck: what the API refuses.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		spec v1alpha1.ApplicationSpec
		want string
	}{
		{"branch", v1alpha1.ApplicationSpec{Source: v1alpha1.Source{Branch: "main"}, Lifecycle: v1alpha1.Lifecycle{WriteBack: &v1alpha1.WriteBack{Images: true}}}, ""},
		{"tag", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Tag: "release/1"})}, ""},
		{"range", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Semver: ">=1.2.0 <2"})}, ""},
		{"commit", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Commit: "0123abc"})}, ""},
		{"bad range", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Semver: ">=one"})}, `spec.source.semver ">=one" is no range of versions; write one such as 1.x`},
		{"long range", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Semver: strings.Repeat(">1 ", 100)})}, "at most 200"},
		{"branch and tag", v1alpha1.ApplicationSpec{Source: v1alpha1.Source{Branch: "main", Revision: v1alpha1.Revision{Tag: "v1"}}}, "names branch and tag; give one of branch, tag, semver and commit"},
		{"all", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Tag: "v1", Semver: "1.x", Commit: "0123abc"})}, "names tag and semver and commit"},
		{"short commit", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Commit: "0123ab"})}, "or at least the first 7 of them"},
		{"no commit", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Commit: "release1"})}, "40 hexadecimal digits"},
		{"whole ref", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Tag: "refs/tags/v1"})}, "want its short name, v1"},
		{"lines", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Tag: "v1\nx"})}, "neither spaces nor control characters"},
		{"promoted to", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Tag: "v1"}), Lifecycle: v1alpha1.Lifecycle{Promotion: &v1alpha1.PromotionPolicy{From: "staging"}}}, "leave one of them out"},
		{"written back to nothing", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Semver: "1.x"}), Lifecycle: v1alpha1.Lifecycle{WriteBack: &v1alpha1.WriteBack{Images: true}}}, "tags 1.x is followed, to which nothing can be committed; name the branch in spec.writeBack.branch"},
		{"reverted on nothing", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Tag: "v1"}), Lifecycle: v1alpha1.Lifecycle{WriteBack: &v1alpha1.WriteBack{Rollback: true}}}, "tag v1 is followed"},
		{"written back to a branch", v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Tag: "v1"}), Lifecycle: v1alpha1.Lifecycle{WriteBack: &v1alpha1.WriteBack{Rollback: true, Branch: "main"}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spec.Source.Repository = "shop"
			err := Check(&c.spec)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	require.ErrorContains(t, Check(&v1alpha1.ApplicationSpec{Source: source(v1alpha1.Revision{Tag: "v1"})}), "has no repository")
}

// Tags come from outside, as ranges do.
func FuzzRange(f *testing.F) {
	for _, seed := range [][2]string{{"1.x", "v1.2.3"}, {">=1.2.0 <2", "1.2"}, {"||", "v"}, {"^1 || ~2, <3", "v1.2.3-rc.1+b"}, {"1.x.x.x", "999999999999999999999.1.1"}, {"*", "-1.0"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, tag string) {
		repo := repository(tag, "v1.0.0")
		app := application(source(v1alpha1.Revision{Semver: text}), nil)
		found, why, err := In(repo, nil).Find(context.Background(), app)
		if err != nil || (found == nil) == (why == nil) && text != "" {
			t.Fatalf("%q of %q: %v, %v, %v", text, tag, found, why, err)
		}
		if text != "" && found != nil {
			Take(app, found)
			if Takes(app, found) {
				t.Fatalf("%q of %q is taken twice", text, tag)
			}
		}
	})
}
