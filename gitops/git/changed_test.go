package git

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
)

func TestChanged(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	first := b.commit("w", "a.txt", "1\n")
	b.git("w", "checkout", "-q", "-b", "dev")
	b.commit("w", "dir/b.txt", "1\n")
	b.git("w", "mv", "a.txt", "c.txt")
	dev := b.commit("w", "dir/d.txt", "1\n")
	b.git("w", "checkout", "-q", "main")
	main := b.commit("w", "z.txt", "only on main\n")
	b.git("w", "tag", "v1", first)
	b.git("w", "checkout", "-q", "--orphan", "other")
	b.commit("w", "o.txt", "no common history\n")
	b.git("w", "push", "-q", b.url("w"), "main", "dev", "v1", "other")
	s := b.host.Store

	tests := []struct {
		commit, from string
		want         []string
	}{
		{dev, "main", []string{"a.txt", "c.txt", "dir/b.txt", "dir/d.txt"}}, // not what main did since
		{dev, "refs/heads/main", []string{"a.txt", "c.txt", "dir/b.txt", "dir/d.txt"}},
		{dev, main, []string{"a.txt", "c.txt", "dir/b.txt", "dir/d.txt", "z.txt"}},
		{main, "v1", []string{"z.txt"}},
		{main, "dev", []string{"z.txt"}},
		{main, main, nil},
		{dev, "dev", nil},
		{main, "other", []string{"a.txt", "z.txt"}},
	}
	for _, tt := range tests {
		got, err := s.Changed(ctx, "default", "w", tt.commit, tt.from)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s from %s: %v %v, want %v", short(tt.commit), tt.from, got, err, tt.want)
		}
	}
	if _, err := s.Changed(ctx, "default", "w", main, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if got, err := s.MergeBase(ctx, "default", "w", dev, "main"); err != nil || got != first {
		t.Error(got, err)
	}
	if got, err := s.MergeBase(ctx, "default", "w", dev, "other"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("no common history:", got, err)
	}
	if got, err := s.List(ctx, "default", "w", dev); err != nil || !slices.Equal(got, []string{"c.txt", "dir/b.txt", "dir/d.txt"}) {
		t.Error(got, err)
	}
	s.Limits.Entries = 2
	if _, err := s.List(ctx, "default", "w", dev); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if _, err := s.Changed(ctx, "default", "w", dev, main); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}
