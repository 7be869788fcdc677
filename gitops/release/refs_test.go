package release

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/events"

	"slipway.dev/cluster/api/v1alpha1"
)

// TestWhatBecomesOfApplications whose branch was forced, deleted or renamed, as
// docs/webhooks.md has it; the head of a merge request is no branch.
func TestWhatBecomesOfApplications(t *testing.T) {
	for _, c := range []struct {
		name, branch string
		status       v1alpha1.RepositoryStatus
		want         string
		sequence     int64
	}{
		{"forced to an older commit", "", v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c1", Before: "c2", Sequence: 3}}}, "c1", 3},
		{"deleted", "dev", v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c9", Sequence: 1}}}, "c2", 2},
		{"renamed", "dev", v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c9", Sequence: 1}, "refs/heads/new": {Commit: "c2", Sequence: 4}}}, "c2", 2},
		{"the default branch is renamed", "", v1alpha1.RepositoryStatus{DefaultBranch: "new", Refs: map[string]v1alpha1.RefStatus{"refs/heads/new": {Commit: "c2", Sequence: 4}}}, "c2", 2},
		{"and goes on", "", v1alpha1.RepositoryStatus{DefaultBranch: "new", Refs: map[string]v1alpha1.RefStatus{"refs/heads/new": {Commit: "c5", Sequence: 5}}}, "c5", 5},
		{"a merge request of a branch of that name", "dev", v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c9", Sequence: 1}},
			MergeRequests: []v1alpha1.MergeRequest{{Number: 7, Source: "dev", Fork: true, Target: "main", State: "opened", Commit: "evil", Sequence: 9}}}, "c2", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			repo := &v1alpha1.Repository{ObjectMeta: metaOf("hello"), Status: c.status}
			w := newWorld(t, repo, &v1alpha1.Application{ObjectMeta: metaOf("app"), Spec: v1alpha1.ApplicationSpec{
				Sync: "push", Source: v1alpha1.Source{Repository: "hello", Branch: c.branch}, Desired: &v1alpha1.Desired{Commit: "c2", Sequence: 2},
			}})
			_, err := (&SyncOnPush{Client: w.client, Reader: w.client, Log: w.r.Log}).Reconcile(context.Background(), requestOf("hello"))
			require.NoError(t, err)
			app := &v1alpha1.Application{}
			require.NoError(t, w.client.Get(context.Background(), keyOf("app"), app))
			require.Equal(t, c.want, app.Spec.Desired.Commit)
			require.Equal(t, c.sequence, app.Spec.Desired.Sequence)
		})
	}
}

// TestTagsAreFollowed: a tag that is pushed, moved, deleted, and one that changes nothing.
func TestTagsAreFollowed(t *testing.T) {
	ctx := context.Background()
	repo := &v1alpha1.Repository{ObjectMeta: metaOf("hello"), Status: v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{
		"refs/heads/main": {Commit: "m1", Sequence: 1}, "refs/tags/v1.0.0": {Commit: "c1", Sequence: 2, By: "ann"},
	}}}
	w := newWorld(t, repo,
		&v1alpha1.Application{ObjectMeta: metaOf("range"), Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: v1alpha1.Source{Repository: "hello", Revision: v1alpha1.Revision{Semver: "1.x"}}}},
		&v1alpha1.Application{ObjectMeta: metaOf("tag"), Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: v1alpha1.Source{Repository: "hello", Revision: v1alpha1.Revision{Tag: "v1.0.0"}},
			Desired: &v1alpha1.Desired{Commit: "m1", Sequence: 7, Revision: "refs/heads/main"}}},
		&v1alpha1.Application{ObjectMeta: metaOf("commit"), Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: v1alpha1.Source{Repository: "hello", Revision: v1alpha1.Revision{Commit: "ccccccc"}}}},
		&v1alpha1.Application{ObjectMeta: metaOf("built"), Spec: v1alpha1.ApplicationSpec{Sync: "pipeline", Source: v1alpha1.Source{Repository: "hello", Revision: v1alpha1.Revision{Semver: "1.x"}}}},
	)
	said := events.NewFakeRecorder(10)
	s := &SyncOnPush{Client: w.client, Reader: w.client, Log: w.r.Log, Events: said,
		Commits: func(_ context.Context, _, _, prefix string) (string, error) { return prefix + "0", nil },
		Footprints: func(_ context.Context, _, _, _ string, paths []string) ([]Footprint, error) {
			out := make([]Footprint, len(paths))
			for i := range out {
				out[i].Hash = "the same in every commit"
			}
			return out, nil
		}}
	look := func(change func(refs map[string]v1alpha1.RefStatus)) map[string]*v1alpha1.Desired {
		t.Helper()
		change(repo.Status.Refs)
		require.NoError(t, w.client.Status().Update(ctx, repo))
		_, err := s.Reconcile(ctx, requestOf("hello"))
		require.NoError(t, err)
		out := map[string]*v1alpha1.Desired{}
		for _, name := range []string{"range", "tag", "commit", "built"} {
			app := &v1alpha1.Application{}
			require.NoError(t, w.client.Get(ctx, keyOf(name), app))
			out[name] = app.Spec.Desired
		}
		return out
	}
	value := func(d *v1alpha1.Desired) string { return d.Commit + " " + d.Revision + " " + d.Cause + " by " + d.By }

	got := look(func(map[string]v1alpha1.RefStatus) {})
	require.Equal(t, "c1 refs/tags/v1.0.0 push by ann", value(got["range"]))
	require.Equal(t, "c1 refs/tags/v1.0.0 revision by ann", value(got["tag"]), "from a branch that was pushed to later")
	require.Equal(t, "ccccccc0 ccccccc0 revision by ", value(got["commit"]))
	require.Nil(t, got["built"], "only its pipeline knows the images")

	got = look(func(refs map[string]v1alpha1.RefStatus) {
		refs["refs/heads/main"] = v1alpha1.RefStatus{Commit: "m2", Sequence: 3}
		refs["refs/tags/v1.1.0"] = v1alpha1.RefStatus{Commit: "c2", Sequence: 4, By: "bob"}
	})
	require.Equal(t, "c2 refs/tags/v1.1.0 push by bob", value(got["range"]), "although nothing changed: it is a release all the same")
	require.Equal(t, "c1", got["tag"].Commit)
	require.Equal(t, "ccccccc0", got["commit"].Commit)
	require.Empty(t, said.Events)

	got = look(func(refs map[string]v1alpha1.RefStatus) {
		refs["refs/tags/v1.0.0"] = v1alpha1.RefStatus{Commit: "c9", Before: "c1", Sequence: 5, By: "eve"}
	})
	require.Equal(t, "c9", got["tag"].Commit)
	require.Equal(t, "c2", got["range"].Commit)
	require.Equal(t, "Warning TagMoved tag v1.0.0 was moved from commit c1 to c9 by eve, and is followed", <-said.Events)

	got = look(func(refs map[string]v1alpha1.RefStatus) {
		delete(refs, "refs/tags/v1.0.0")
		delete(refs, "refs/tags/v1.1.0")
		refs["refs/tags/v1.0.5"] = v1alpha1.RefStatus{Commit: "c05", Sequence: 2}
	})
	require.Equal(t, "c9", got["tag"].Commit)
	require.Equal(t, "c2", got["range"].Commit)

	// What a person asks for is what there is now; where there is nothing, it stays.
	require.NoError(t, w.r.Sync(ctx, "default", "tag", "ann"))
	require.NoError(t, w.r.Sync(ctx, "default", "range", "ann"))
	got = look(func(map[string]v1alpha1.RefStatus) {})
	require.Equal(t, "c9", got["tag"].Commit)
	require.Equal(t, "c05 refs/tags/v1.0.5 manual by ann", value(got["range"]))
	require.Empty(t, said.Events)
}
