package release

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

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
