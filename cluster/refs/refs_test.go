package refs

import (
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
)

type spec = v1alpha1.RepositorySpec

func policy(p v1alpha1.RepositoryPolicy) spec { return spec{RepositoryPolicy: p} }

func TestWatched(t *testing.T) {
	for _, tc := range []struct {
		name string
		spec spec
		want map[string]bool
	}{
		{"all", spec{}, map[string]bool{
			"refs/heads/main": true, "refs/heads/a/b": true, "refs/tags/v1": true,
			"refs/notes/commits": false, "refs/merge-requests/1/head": false, "refs/heads/": false, "main": false,
		}},
		{"branches", spec{Branches: []string{"main", "feature/*"}}, map[string]bool{
			"refs/heads/main": true, "refs/heads/feature/x": true, "refs/heads/feature/x/y": false,
			"refs/heads/mainly": false, "refs/tags/any": true,
		}},
		{"any depth", spec{Branches: []string{"feature/**"}}, map[string]bool{"refs/heads/feature/x/y": true, "refs/heads/x": false}},
		{"excluded branches", policy(v1alpha1.RepositoryPolicy{ExcludeBranches: []string{"tmp/**", "dependabot/**"}}), map[string]bool{
			"refs/heads/main": true, "refs/heads/tmp/x/y": false, "refs/heads/dependabot/npm/a": false, "refs/tags/tmp/x": true,
		}},
		{"tags", policy(v1alpha1.RepositoryPolicy{Tags: []string{"v[0-9]*"}, ExcludeTags: []string{"*-rc*"}}), map[string]bool{
			"refs/tags/v1.2": true, "refs/tags/v1.2-rc1": false, "refs/tags/nightly": false, "refs/heads/nightly": true,
		}},
		{"a pattern that is none takes nothing", spec{Branches: []string{"["}}, map[string]bool{"refs/heads/main": false, "refs/heads/[": false}},
	} {
		for ref, want := range tc.want {
			if got := Watched(&tc.spec, ref); got != want {
				t.Errorf("%s: %s: %v", tc.name, ref, got)
			}
		}
	}
}

func TestConcerns(t *testing.T) {
	for _, tc := range []struct {
		paths, files []string
		want         bool
	}{
		{nil, nil, true},
		{[]string{"web"}, []string{"web/a/b.ts"}, true},
		{[]string{"web/"}, []string{"web/a"}, true},
		{[]string{"./web/**"}, []string{"web/a"}, true},
		{[]string{"web"}, []string{"website/a", "README.md"}, false},
		{[]string{"**/*.go"}, []string{"x/y/z.go"}, true},
		{[]string{"**/*.go"}, []string{"main.go"}, true},
		{[]string{"*.go"}, []string{"x/z.go"}, false},
		{[]string{"go.{mod,sum}"}, []string{"go.sum"}, true},
		{[]string{"web"}, nil, false},
		{[]string{"["}, []string{"["}, false},
	} {
		s := policy(v1alpha1.RepositoryPolicy{Paths: tc.paths})
		if got := Concerns(&s, tc.files); got != tc.want {
			t.Errorf("%v of %v: %v", tc.paths, tc.files, got)
		}
	}
}

func TestRule(t *testing.T) {
	s := policy(v1alpha1.RepositoryPolicy{Protect: []v1alpha1.ProtectRule{
		{Pattern: "main"}, {Pattern: "release/*"}, {Pattern: "refs/tags/v*"}, {Pattern: "refs/heads/*-stable"},
	}})
	for ref, want := range map[string]string{
		"refs/heads/main": "main", "refs/tags/main": "main", "refs/heads/release/1/x": "release/*", "refs/tags/v1": "refs/tags/v*",
		"refs/heads/v1": "", "refs/heads/1-stable": "refs/heads/*-stable", "refs/tags/1-stable": "", "refs/heads/x": "", "refs/notes/main": "",
	} {
		got := ""
		if r := Rule(&s, ref); r != nil {
			got = r.Pattern
		}
		if got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}

func TestPusher(t *testing.T) {
	some := &v1alpha1.Pushers{Users: []string{"ann"}, Groups: []string{"ops"}}
	for _, tc := range []struct {
		pushers *v1alpha1.Pushers
		user    string
		groups  []string
		want    bool
	}{
		{nil, "eve", nil, true},
		{&v1alpha1.Pushers{}, "ann", []string{"ops"}, false},
		{some, "ann", nil, true}, {some, "bob", []string{"x", "ops"}, true}, {some, "eve", []string{"ann"}, false}, {some, "", nil, false},
	} {
		if got := Pusher(&v1alpha1.ProtectRule{Pushers: tc.pushers}, tc.user, tc.groups); got != tc.want {
			t.Errorf("%v %s %v: %v", tc.pushers, tc.user, tc.groups, got)
		}
	}
}
