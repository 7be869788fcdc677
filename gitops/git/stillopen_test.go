package git

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// TestLostWebhooksOfMergeRequests: the end of one is noticed although its branch stays and
// nobody told of it; the forge is asked seldom, a few at a time, and may be away.
func TestLostWebhooksOfMergeRequests(t *testing.T) {
	long := metav1.NewTime(time.Now().Add(-time.Hour))
	seen := func(at metav1.Time) func(*v1alpha1.MergeRequest) {
		return func(m *v1alpha1.MergeRequest) { m.Seen = &at }
	}
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"},
		Spec: v1alpha1.RepositorySpec{URL: "https://forge.example/acme/shop.git", Forge: &v1alpha1.Forge{TokenSecret: "t"}}}
	for n := range int64(15) {
		repo.Status.MergeRequests = append(repo.Status.MergeRequests, request(n+1, seen(long), head("a", n+1)))
	}
	repo.Status.MergeRequests = append(repo.Status.MergeRequests, request(16, seen(metav1.Now())), request(17, seen(long), state("closed")))
	b := newBench(t, repo)
	var asked []int64
	var away error
	r := &Reconciler{Host: b.host, StillOpen: func(_ context.Context, _ *v1alpha1.Repository, n int64) (string, time.Time, error) {
		asked = append(asked, n)
		if n == 3 {
			return v1alpha1.MergeRequestMerged, noon.Add(time.Minute), away
		}
		return v1alpha1.MergeRequestOpened, noon.Time, away
	}}
	r.init()
	b.host.Log = slog.New(slog.DiscardHandler)
	look := func() {
		t.Helper()
		var now v1alpha1.Repository
		if err := b.host.Reader.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "copy"}, &now); err != nil {
			t.Fatal(err)
		}
		asked = nil
		r.askForge(t.Context(), &now)
	}
	away = errors.New("no route")
	look()
	if len(asked) != 1 {
		t.Fatalf("a forge that is away is asked on and on: %v", asked)
	}
	look()
	if !slices.Equal(asked, []int64{11}) {
		t.Fatalf("it is left alone, but for those that waited: %v", asked)
	}
	away = nil
	r.mu.Lock()
	clear(r.state(key).asked)
	r.mu.Unlock()
	look()
	if !slices.Equal(asked, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
		t.Fatalf("asked of %v", asked)
	}
	st := b.status("copy")
	if m := st.MergeRequest(3); m.State != v1alpha1.MergeRequestMerged || m.Commit != "a" {
		t.Fatalf("%+v", m)
	}
	if m := st.MergeRequest(4); !m.Open() {
		t.Fatalf("%+v", m)
	}
	look()
	if !slices.Equal(asked, []int64{11, 12, 13, 14, 15}) {
		t.Fatalf("asked of %v", asked)
	}
	look()
	if len(asked) != 0 {
		t.Fatalf("asked again at once: %v", asked)
	}
}
