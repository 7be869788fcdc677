package release

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

// history is what paths are in each commit; a hash that ends with ! leads out.
type history map[string]map[string]string

func (h history) footprints(asked *int) Footprints {
	return func(_ context.Context, _, _, commit string, paths []string) ([]Footprint, error) {
		*asked++
		at, ok := h[commit]
		if !ok {
			return nil, fmt.Errorf("commit %s: %w", commit, fs.ErrNotExist)
		}
		var out []Footprint
		for _, p := range paths {
			hash, outward := strings.CutSuffix(at[p], "!")
			out = append(out, Footprint{hash, outward})
		}
		return out, nil
	}
}

func TestPushThatChangesNothingMakesNoRelease(t *testing.T) {
	for name, tc := range map[string]struct {
		source  v1alpha1.Source
		before  map[string]string
		after   map[string]string
		spoil   func(*v1alpha1.Application)
		release bool
	}{
		"elsewhere": {v1alpha1.Source{}, map[string]string{"deploy": "d1", "": "r1"}, map[string]string{"deploy": "d1", "": "r2"}, nil, false},
		"within":    {v1alpha1.Source{}, map[string]string{"deploy": "d1", "": "r1"}, map[string]string{"deploy": "d2", "": "r2"}, nil, true},
		"its path":  {v1alpha1.Source{Path: "apps/web/"}, map[string]string{"apps/web": "d1", "": "r1"}, map[string]string{"apps/web": "d1", "": "r2"}, nil, false},
		"watched":   {v1alpha1.Source{WatchPaths: []string{"lib", "go.mod"}}, map[string]string{"deploy": "d1", "lib": "l", "go.mod": "1"}, map[string]string{"deploy": "d1", "lib": "l", "go.mod": "2"}, nil, true},
		"watched, the same": {v1alpha1.Source{WatchPaths: []string{"lib"}}, map[string]string{"deploy": "d1!", "lib": "l", "": "r1"},
			map[string]string{"deploy": "d1!", "lib": "l", "": "r2"}, nil, false},
		"leads out":             {v1alpha1.Source{}, map[string]string{"deploy": "d1!", "": "r1"}, map[string]string{"deploy": "d1!", "": "r2"}, nil, true},
		"leads out, empty push": {v1alpha1.Source{}, map[string]string{"deploy": "d1!", "": "r1"}, map[string]string{"deploy": "d1!", "": "r1"}, nil, false},
		"values elsewhere": {v1alpha1.Source{Helm: &v1alpha1.Helm{ValueFiles: []string{"../values.yaml", "/all.yaml"}}},
			map[string]string{"deploy": "d1", "values.yaml": "1", "all.yaml": "1"}, map[string]string{"deploy": "d1", "values.yaml": "2", "all.yaml": "1"}, nil, true},
		"gone":               {v1alpha1.Source{}, map[string]string{"": "r1"}, map[string]string{"": "r2"}, nil, true},
		"the source changed": {v1alpha1.Source{}, map[string]string{"deploy": "d1"}, map[string]string{"deploy": "d1"}, func(a *v1alpha1.Application) { a.Spec.Source.Branch = "main" }, true},
		"the last one failed": {v1alpha1.Source{}, map[string]string{"deploy": "d1"}, map[string]string{"deploy": "d1"},
			func(a *v1alpha1.Application) { a.Status.Refused = &v1alpha1.Desired{Commit: "c1"} }, true},
		"a commit that is gone": {v1alpha1.Source{}, nil, map[string]string{"deploy": "d1"}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			repo := &v1alpha1.Repository{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "mono"},
				Status: v1alpha1.RepositoryStatus{DefaultBranch: "main", Sequence: 1, Refs: map[string]v1alpha1.RefStatus{
					"refs/heads/main": {Commit: "c1", Sequence: 1, Via: "push", By: "ada"},
				}},
			}
			tc.source.Repository = "mono"
			w := newWorld(t, repo, &v1alpha1.Application{ObjectMeta: metaOf("part"), Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: tc.source}})
			asked := 0
			h := history{"c2": tc.after}
			if tc.before != nil {
				h["c1"] = tc.before
			}
			s := &SyncOnPush{Client: w.client, Reader: w.client, Log: w.r.Log, Footprints: h.footprints(&asked)}
			push := func(commit string, sequence int64) *v1alpha1.Application {
				t.Helper()
				require.NoError(t, w.client.Get(ctx, keyOf("mono"), repo))
				repo.Status.Refs["refs/heads/main"] = v1alpha1.RefStatus{Commit: commit, Sequence: sequence, Via: "push", By: "ada"}
				require.NoError(t, w.client.Status().Update(ctx, repo))
				_, err := s.Reconcile(ctx, requestOf("mono"))
				require.NoError(t, err)
				app := &v1alpha1.Application{}
				require.NoError(t, w.client.Get(ctx, keyOf("part"), app))
				return app
			}
			app := push("c1", 1)
			require.Equal(t, "c1", app.Spec.Desired.Commit)
			require.Zero(t, asked)
			if tc.spoil != nil {
				refused := app.DeepCopy()
				tc.spoil(refused)
				require.NoError(t, w.client.Update(ctx, refused.DeepCopy()))
				require.NoError(t, w.client.Get(ctx, keyOf("part"), app))
				app.Status = refused.Status
				require.NoError(t, w.client.Status().Update(ctx, app))
			}
			app = push("c2", 2)
			if tc.release {
				require.Equal(t, "c2", app.Spec.Desired.Commit)
				require.Nil(t, app.Status.Unchanged)
				return
			}
			require.Equal(t, "c1", app.Spec.Desired.Commit)
			require.Equal(t, &v1alpha1.UnchangedPush{Commit: "c2", Sequence: 2, By: "ada"}, app.Status.Unchanged)
			// It is not looked at again until there is something new.
			asked = 0
			push("c2", 2)
			require.Zero(t, asked)
		})
	}
}

// Many applications of one repository open each commit once.
func TestOneLookForAllApplications(t *testing.T) {
	ctx := context.Background()
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "mono"}}
	repo.Status = v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c1", Sequence: 1}}}
	w := newWorld(t, repo)
	same := map[string]string{"": "r"}
	for i := range 40 {
		source := v1alpha1.Source{Repository: "mono", Path: fmt.Sprint("app", i)}
		same[source.Path] = "d"
		require.NoError(t, w.client.Create(ctx, &v1alpha1.Application{ObjectMeta: metaOf(source.Path), Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: source}}))
	}
	asked := 0
	s := &SyncOnPush{Client: w.client, Reader: w.client, Log: w.r.Log, Footprints: history{"c1": same, "c2": same}.footprints(&asked)}
	for i, commit := range []string{"c1", "c2"} {
		require.NoError(t, w.client.Get(ctx, keyOf("mono"), repo))
		repo.Status.Refs["refs/heads/main"] = v1alpha1.RefStatus{Commit: commit, Sequence: int64(i + 1)}
		require.NoError(t, w.client.Status().Update(ctx, repo))
		_, err := s.Reconcile(ctx, requestOf("mono"))
		require.NoError(t, err)
	}
	require.Equal(t, 2, asked)
}
