package protection

import (
	"context"
	"errors"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
)

func repo(protected ...string) *v1alpha1.Repository {
	r := &v1alpha1.Repository{}
	r.Spec.Protected = protected
	r.Status.DefaultBranch = "main"
	r.Status.Refs = map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "tip"}, "refs/heads/other": {Commit: "o"}}
	return r
}

func ruled(rules ...v1alpha1.ProtectRule) *v1alpha1.Repository {
	r := repo()
	r.Spec.Protect = rules
	return r
}

func TestRef(t *testing.T) {
	for _, tt := range []struct {
		repo *v1alpha1.Repository
		ref  string
		want bool
	}{
		{repo(), "refs/heads/main", true}, {repo(), "refs/heads/other", false}, {repo(), "refs/tags/main", false}, {repo(), "main", false}, {repo(), "refs/heads/", false},
		{repo("v*", "release/*"), "refs/heads/main", false}, {repo("v*", "release/*"), "refs/tags/v1", true}, {repo("release/*"), "refs/heads/release/1/x", true},
		{repo("*"), "refs/notes/x", false},
		{ruled(v1alpha1.ProtectRule{Pattern: "stable", Pushers: &v1alpha1.Pushers{}}), "refs/heads/stable", true},
		{ruled(v1alpha1.ProtectRule{Pattern: "stable", Pushers: &v1alpha1.Pushers{}}), "refs/heads/main", true},
		{ruled(v1alpha1.ProtectRule{Pattern: "*"}), "refs/heads/other", false},
		{ruled(v1alpha1.ProtectRule{Pattern: "x"}, v1alpha1.ProtectRule{Pattern: "*", Pushers: &v1alpha1.Pushers{Users: []string{"ann"}}}), "refs/heads/x", false},
	} {
		if got := Ref(tt.repo, tt.ref); got != tt.want {
			t.Errorf("%s of %v is %v", tt.ref, tt.repo.Spec.Protected, got)
		}
	}
}

// TestForeignCommitOnProtectedRef: naming a protected ref is not enough.
func TestForeignCommitOnProtectedRef(t *testing.T) {
	old := func(_ context.Context, _, _, tip, commit string) (bool, error) {
		if commit == "lost" {
			return false, errors.New("cannot read")
		}
		return tip == "tip" && commit == "old", nil
	}
	for commit, want := range map[string]bool{"tip": true, "old": true, "evil": false, "lost": false} {
		run := &v1alpha1.Run{Spec: v1alpha1.RunSpec{Ref: "refs/heads/main", Commit: commit}}
		got, err := Of(t.Context(), repo(), run, old)
		if got != want || (err != nil) != (commit == "lost") {
			t.Errorf("%s: %v %v", commit, got, err)
		}
	}
	run := &v1alpha1.Run{Spec: v1alpha1.RunSpec{Ref: "refs/heads/gone", Commit: ""}}
	if got, _ := Of(t.Context(), repo("*"), run, old); got {
		t.Error("a ref that is not there is protected")
	}
}
