package release

import (
	"context"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/types"
)

func TestFollowersHearOfTheirApplicationOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Reconciler{followers: &followers{}}
		ctx, cancel := context.WithCancel(t.Context())
		one, other := r.Follow(ctx, "a", "web"), r.Follow(t.Context(), "b", "web")
		web := types.NamespacedName{Namespace: "a", Name: "web"}
		for range 3 { // nobody looks meanwhile, and nobody is waited for
			r.followers.tell(web)
		}
		if len(one) != 1 || len(other) != 0 {
			t.Fatalf("%d and %d words, want 1 and 0", len(one), len(other))
		}
		cancel()
		synctest.Wait()
		if len(r.followers.of) != 1 {
			t.Errorf("%d applications are followed, want 1", len(r.followers.of))
		}
		r.followers.tell(web)
	})
}
