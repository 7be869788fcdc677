package git

import (
	"fmt"
	"sync"
	"testing"
)

// TestReaders: what is read again and again is read with few readers, and what is pushed
// meanwhile is seen.
func TestReaders(t *testing.T) {
	b := newBench(t)
	for i := range 3 {
		commit := b.commit("w", "a/file", fmt.Sprint(i))
		b.git("w", "push", "-q", b.url("w"), "main")
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				c, err := b.host.Commit(t.Context(), "default", "w", commit)
				if err != nil || c.Hash != commit {
					t.Errorf("push %d: %+v, %v", i, c, err)
				}
				if f, err := b.host.Footprints(t.Context(), "default", "w", commit, []string{"a"}); err != nil || f[0].Hash == "" {
					t.Errorf("push %d: %v, %v", i, f, err)
				}
				if err := b.host.Checkout(t.Context(), "default", "w", commit, t.TempDir(), "a"); err != nil {
					t.Errorf("push %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if n := len(b.host.readers.idle); n == 0 || n > idleReaders {
			t.Errorf("%d readers are idle", n)
		}
	}
	if _, err := b.host.Commit(t.Context(), "default", "w", "1111111111111111111111111111111111111111"); err == nil {
		t.Error("a commit that is not there was read")
	}
	if err := b.host.Remove("default", "w"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.host.Commit(t.Context(), "default", "w", "1111111111111111111111111111111111111111"); err == nil {
		t.Error("a repository that is gone was read")
	}
}

// TestReadersAreGivenUp when nobody has used them for a while.
func TestReadersAreGivenUp(t *testing.T) {
	var r readers
	for i := range idleReaders + 2 {
		r.put(&reader{dir: fmt.Sprint(i), packs: "p"})
	}
	if got := r.take("0", "p"); got != nil || len(r.idle) != idleReaders {
		t.Errorf("%d are idle, the oldest of them %v", len(r.idle), got)
	}
	last := fmt.Sprint(idleReaders + 1)
	if r.take(last, "other packs") != nil || r.take(last, "p") == nil || r.take(last, "p") != nil {
		t.Error("a reader is of its packs, and of one user at a time")
	}
	for _, x := range r.idle {
		x.since = x.since.Add(-idleFor)
	}
	if r.sweep(); len(r.idle) != 0 {
		t.Errorf("%d are kept", len(r.idle))
	}
}
