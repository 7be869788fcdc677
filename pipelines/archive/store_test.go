package archive

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

var base = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func run(namespace, repository, name string, minute int, sequence int64) *v1alpha1.Run {
	return &v1alpha1.Run{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(base.Add(time.Duration(minute) * time.Minute))},
		Spec:       v1alpha1.RunSpec{Repository: repository, Sequence: sequence},
		Status:     v1alpha1.RunStatus{Phase: v1alpha1.Succeeded},
	}
}

func open(t *testing.T) (*Store, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sub", "archive.db")
	s, err := Open(file)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, file
}

func names(runs []v1alpha1.Run) (out []string) {
	for i := range runs {
		out = append(out, runs[i].Name)
	}
	return out
}

func TestRunsComeBackAsTheyWere(t *testing.T) {
	s, file := open(t)
	want := run("default", "shop", "shop-1", 1, 1)
	want.Spec.Variables = map[string]string{"A": "b"}
	want.Status.Jobs = []v1alpha1.JobStatus{{Name: "build", Phase: v1alpha1.Succeeded, Attempt: 2}}
	require.NoError(t, s.Put(want))
	require.NoError(t, s.Close())
	s, err := Open(file)
	require.NoError(t, err)
	defer s.Close()
	got, err := s.Get("default", "shop-1")
	require.NoError(t, err)
	require.True(t, want.CreationTimestamp.Equal(&got.CreationTimestamp))
	got.CreationTimestamp = want.CreationTimestamp
	require.Equal(t, want, got)
	_, err = s.Get("other", "shop-1")
	require.True(t, errors.Is(err, os.ErrNotExist), err)
	require.NoError(t, s.Delete("default", "shop-1"))
	require.NoError(t, s.Delete("default", "shop-1"))
	_, err = s.Get("default", "shop-1")
	require.True(t, errors.Is(err, os.ErrNotExist), err)
	left, err := s.List("default", "", "", 10)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestListsArePagedNewestFirst(t *testing.T) {
	s, _ := open(t)
	for i := range 25 {
		require.NoError(t, s.Put(run("default", []string{"shop", "shop-b", "a"}[i%3], fmt.Sprintf("r-%02d", i), i/2, int64(i))))
	}
	require.NoError(t, s.Put(run("default-2", "shop", "elsewhere", 99, 99), run("defaul", "shop", "before", 0, 1)))
	var all []string
	after := Position("")
	for {
		page, err := s.List("default", "", after, 4)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		require.LessOrEqual(t, len(page), 4)
		all = append(all, names(page)...)
		var perr error
		after, perr = ParsePosition(PositionOf(&page[len(page)-1]).Token())
		require.NoError(t, perr)
	}
	require.Len(t, all, 25)
	for i, name := range all {
		require.Equal(t, fmt.Sprintf("r-%02d", 24-i), name)
	}
	shop, err := s.List("default", "shop", "", 100)
	require.NoError(t, err)
	require.Equal(t, []string{"r-24", "r-21", "r-18", "r-15", "r-12", "r-09", "r-06", "r-03", "r-00"}, names(shop))
	newest, err := s.Repositories()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"before", "r-24", "r-22", "r-23", "elsewhere"}, names(newest))
}

func TestPutReplacesPlaces(t *testing.T) {
	s, _ := open(t)
	r := run("default", "shop", "shop-1", 1, 1)
	soon := metav1.NewTime(base.Add(time.Hour))
	later := metav1.NewTime(base.Add(2 * time.Hour))
	r.Status.Jobs = []v1alpha1.JobStatus{{Name: "a", Artifacts: true, ArtifactsExpire: &later}, {Name: "b", Artifacts: true, ArtifactsExpire: &soon}, {Name: "c", Artifacts: true}}
	require.NoError(t, s.Put(r))
	expired := func(at time.Time) []string {
		runs, err := s.Expired(at, 10)
		require.NoError(t, err)
		return names(runs)
	}
	require.Empty(t, expired(base.Add(59*time.Minute)))
	require.Equal(t, []string{"shop-1"}, expired(base.Add(time.Hour)))
	r.Status.Jobs[1].Artifacts = false
	require.NoError(t, s.Put(r))
	require.Empty(t, expired(base.Add(time.Hour)))
	require.Equal(t, []string{"shop-1"}, expired(base.Add(3*time.Hour)))
	r.CreationTimestamp = metav1.NewTime(base.Add(5 * time.Hour)) // it came back and went again
	require.NoError(t, s.Put(r))
	runs, err := s.List("default", "shop", "", 10)
	require.NoError(t, err)
	require.Len(t, runs, 1)
}

func FuzzParsePosition(f *testing.F) {
	f.Add(PositionOf(run("default", "shop", "shop-1", 1, 1)).Token())
	f.Add("")
	f.Add("AAAA")
	s, err := Open(filepath.Join(f.TempDir(), "archive.db"))
	require.NoError(f, err)
	require.NoError(f, s.Put(run("default", "shop", "shop-1", 1, 1)))
	f.Fuzz(func(t *testing.T, token string) {
		p, err := ParsePosition(token)
		if err != nil {
			return
		}
		if _, err := s.List("default", "", p, 3); err != nil {
			t.Fatal(err)
		}
	})
}
