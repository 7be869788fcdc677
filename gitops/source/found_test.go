package source

import (
	"context"
	"io/fs"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Whoever mistyped a repository or a branch is told so, and which ones there are.
func TestSourceThatIsNotThere(t *testing.T) {
	ready := func(status metav1.ConditionStatus, message string) []metav1.Condition {
		return []metav1.Condition{{Type: "Ready", Status: status, Reason: "R", Message: message}}
	}
	refs := map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c"}, "refs/heads/dev": {Commit: "d"}, "refs/tags/v1": {Commit: "c"}}
	full := v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: refs, Conditions: ready("True", "")}
	now := metav1.Now()
	for _, c := range []struct {
		name   string
		source v1alpha1.Source
		sync   string
		url    string
		spec   v1alpha1.RepositorySpec
		status v1alpha1.RepositoryStatus
		ref    string
		want   string
	}{
		{name: "there", source: v1alpha1.Source{Repository: "shop"}, status: full},
		{name: "branch there", source: v1alpha1.Source{Repository: "shop", Branch: "dev"}, status: full},
		{name: "other repository", source: v1alpha1.Source{Repository: "shopp"}, status: full, want: "repository shopp is not there; known: shop. Push to it, or `slipway repo add shopp`"},
		{name: "other branch", source: v1alpha1.Source{Repository: "shop", Branch: "prod"}, status: full, want: `repository shop: branch "prod" not found; known: dev, main`},
		{name: "filtered", source: v1alpha1.Source{Repository: "shop", Branch: "prod"}, spec: v1alpha1.RepositorySpec{RepositoryPolicy: v1alpha1.RepositoryPolicy{}, Branches: []string{"main", "dev"}}, status: full,
			want: `repository shop: branch "prod" is left out by its filters (spec.branches, spec.excludeBranches); known: dev, main`},
		{name: "pipeline", source: v1alpha1.Source{Repository: "shop", Branch: "prod"}, sync: "pipeline", status: full},
		{name: "merge request", source: v1alpha1.Source{Repository: "shop", Branch: "prod"}, ref: "refs/merge-requests/3/head", status: full},
		{name: "not pushed to", source: v1alpha1.Source{Repository: "shop"}, status: v1alpha1.RepositoryStatus{Conditions: ready("True", "")}},
		{name: "no branch", source: v1alpha1.Source{Repository: "shop", Branch: "x"}, status: v1alpha1.RepositoryStatus{Conditions: ready("True", "")}, want: `branch "x" not found; it has no branch yet`},
		{name: "not looked at", source: v1alpha1.Source{Repository: "shop", Branch: "x"}, url: "https://x.example/y"},
		{name: "tag there", source: v1alpha1.Source{Repository: "shop", Revision: v1alpha1.Revision{Tag: "v1"}}, status: full},
		{name: "other tag", source: v1alpha1.Source{Repository: "shop", Revision: v1alpha1.Revision{Tag: "v2"}}, status: full, want: `repository shop: tag "v2" not found; newest tags: v1`},
		{name: "no tag in the range", source: v1alpha1.Source{Repository: "shop", Revision: v1alpha1.Revision{Semver: ">=2 <3"}}, status: full, want: `repository shop: no tag is in the range ">=2 <3"; newest tags: v1`},
		{name: "no tag yet, not looked at", source: v1alpha1.Source{Repository: "shop", Revision: v1alpha1.Revision{Semver: "1.x"}}, url: "https://x.example/y"},
		{name: "no range, of a pipeline too", source: v1alpha1.Source{Repository: "shop", Revision: v1alpha1.Revision{Semver: "new"}}, sync: "pipeline", status: full, want: `"new" is no range of versions`},
		{name: "no commit", source: v1alpha1.Source{Repository: "shop", Revision: v1alpha1.Revision{Commit: "abcdef0"}}, status: full, want: "commit abcdef0 not found"},
		{name: "away", source: v1alpha1.Source{Repository: "shop"}, url: "https://x.example/y", status: v1alpha1.RepositoryStatus{Conditions: ready("False", "the other side refused the credentials")},
			want: "repository shop: the other side refused the credentials"},
		{name: "away since", source: v1alpha1.Source{Repository: "shop"}, url: "https://x.example/y", status: v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: refs, LastPolled: &now, Conditions: ready("False", "away")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := context.Background()
			c.spec.URL = c.url
			repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}, Spec: c.spec, Status: c.status}
			app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", Annotations: map[string]string{v1alpha1.AnnotationRef: c.ref}},
				Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: c.source}}
			if c.sync != "" {
				app.Spec.Sync = c.sync
			}
			w := newWorld(t, repo, app)
			f := &Finder{Client: w.client, Log: slog.New(slog.DiscardHandler), Commits: func(context.Context, string, string, string) (string, error) { return "", fs.ErrNotExist }}
			look := func() *v1alpha1.Application {
				t.Helper()
				_, err := f.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: app.Spec.Source.Repository}})
				require.NoError(t, err)
				got := &v1alpha1.Application{}
				require.NoError(t, w.client.Get(ctx, client.ObjectKeyFromObject(app), got))
				return got
			}
			got := look()
			cond := meta.FindStatusCondition(got.Status.Conditions, ConditionSource)
			if c.want == "" {
				require.Nil(t, cond)
				require.Empty(t, got.Status.Message)
				return
			}
			require.NotNil(t, cond)
			require.Equal(t, metav1.ConditionFalse, cond.Status)
			require.Contains(t, cond.Message, c.want)
			require.Equal(t, cond.Message, got.Status.Message)
			require.Equal(t, cond.Message, Waiting(got))
			require.Equal(t, got.ResourceVersion, look().ResourceVersion, "said once")

			// One that has something keeps its own message.
			got.Spec.Desired = &v1alpha1.Desired{Commit: "c", Sequence: 1}
			require.Empty(t, Waiting(got))

			// Mended, it is gone.
			got.Spec.Desired = nil
			got.Spec.Source = v1alpha1.Source{Repository: "shop", Branch: "main"}
			require.NoError(t, w.client.Update(ctx, got))
			*app = *got
			repo.Status = full
			require.NoError(t, w.client.Update(ctx, repo))
			got = look()
			require.Nil(t, meta.FindStatusCondition(got.Status.Conditions, ConditionSource))
			require.Equal(t, NothingDesired(got), got.Status.Message)
		})
	}
}

// A tag that is gone is told once, where the application is and among its events; what it
// was stays.
func TestDeletedTagIsSaid(t *testing.T) {
	ctx := context.Background()
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}, Status: v1alpha1.RepositoryStatus{DefaultBranch: "main",
		Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c"}, "refs/tags/v1.1.0": {Commit: "old", Sequence: 1}}}}
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: v1alpha1.ApplicationSpec{Sync: "push",
		Source: v1alpha1.Source{Repository: "shop", Revision: v1alpha1.Revision{Semver: "1.x"}}, Desired: &v1alpha1.Desired{Commit: "abc", Revision: "refs/tags/v1.2.0", Sequence: 2}}}
	app.Status.Message = "release 1 is healthy"
	w := newWorld(t, repo, app)
	said := events.NewFakeRecorder(5)
	f := &Finder{Client: w.client, Log: slog.New(slog.DiscardHandler), Events: said}
	for range 2 {
		_, err := f.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(repo)})
		require.NoError(t, err)
	}
	got := &v1alpha1.Application{}
	require.NoError(t, w.client.Get(ctx, client.ObjectKeyFromObject(app), got))
	cond := meta.FindStatusCondition(got.Status.Conditions, ConditionSource)
	require.NotNil(t, cond)
	require.Equal(t, "TagDeleted", cond.Reason)
	require.Contains(t, cond.Message, `tag "v1.2.0", the highest in the range "1.x", was deleted; commit abc of it stays, and the highest is v1.1.0 now`)
	require.Equal(t, "release 1 is healthy", got.Status.Message)
	require.Len(t, said.Events, 1)
	require.Contains(t, <-said.Events, "Warning TagDeleted")
}
