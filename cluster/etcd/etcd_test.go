package etcd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	etcderrors "go.etcd.io/etcd/server/v3/etcdserver/errors"

	"slipway.dev/cluster/pki"
)

// open starts a store in an empty directory.
func open(t *testing.T, quota int64) *Store {
	t.Helper()
	dir := t.TempDir()
	files, err := pki.Ensure(dir+"/pki", pki.Options{NodeName: "test", NodeIP: net.IPv4(192, 0, 2, 1), ServiceIP: net.IPv4(10, 43, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(Config{Dir: dir + "/etcd", PKI: files, Port: port(t), PeerPort: port(t), Quota: quota, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	<-s.etcd.Server.ReadyNotify()
	return s
}

func port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// put writes a value of 1 MiB, as large as objects get.
func (s *Store) put(ctx context.Context, key string) error {
	value := make([]byte, 1<<20)
	_, _ = rand.Read(value) // never fails
	_, err := s.etcd.Server.Put(ctx, &pb.PutRequest{Key: []byte(key), Value: value})
	return err
}

// fill puts until the quota is reached.
func fill(t *testing.T, s *Store, key func(n int) string) {
	t.Helper()
	for n := range 1000 {
		switch err := s.put(t.Context(), key(n)); {
		case errors.Is(err, etcderrors.ErrNoSpace):
			return
		case err != nil:
			t.Fatal(err)
		}
	}
	t.Fatalf("a quota of %d bytes took 1000 MiB", s.quota)
}

// TestFullStore reaches its quota, says so, and takes writes again: by itself when what
// fills it is history, after deletions when it is objects.
func TestFullStore(t *testing.T) {
	s := open(t, 48<<20)
	ctx := t.Context()
	if err := s.Room(); err != nil {
		t.Fatal(err)
	}

	fill(t, s, func(int) string { return "one" })
	full := s.Size()
	if err := s.Room(); !full.Refusing || err == nil || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), "--etcd-quota") {
		t.Fatalf("a full store says %v: %+v", err, full)
	}
	if err := s.put(ctx, "another"); !errors.Is(err, etcderrors.ErrNoSpace) {
		t.Fatalf("a full store takes a write: %v", err)
	}
	if err := s.free(ctx); err != nil {
		t.Fatal(err)
	}
	if z := s.Size(); z.Refusing || z.File > full.File/2 || s.Room() != nil {
		t.Errorf("history was to be given back: %+v, before %+v", z, full)
	}
	if err := s.put(ctx, "another"); err != nil {
		t.Error(err)
	}

	// A file that grew in large steps has room once it is defragmented, and takes a few more.
	var err error
	for round := 0; err == nil && round < 10; round++ {
		fill(t, s, func(n int) string { return fmt.Sprintf("many/%d-%d", round, n) })
		err = s.free(ctx)
	}
	for range 2 { // the second time there is nothing to compact
		if err == nil || !strings.Contains(err.Error(), "full") {
			t.Errorf("objects fill the store, and it says %v", err)
		}
		err = s.free(ctx)
	}
	if err := s.put(ctx, "another"); !errors.Is(err, etcderrors.ErrNoSpace) {
		t.Errorf("a full store takes a write: %v", err)
	}
	if _, err := s.etcd.Server.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: []byte("many/"), RangeEnd: []byte("many0")}); err != nil {
		t.Fatalf("a full store refuses a deletion: %v", err)
	}
	if err := s.free(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.put(ctx, "another"); err != nil {
		t.Error(err)
	}
}

// TestDefragment: what compaction freed goes back to the file system.
func TestDefragment(t *testing.T) {
	s := open(t, 0)
	for range 20 {
		if err := s.put(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
	}
	before := s.Size()
	if _, err := s.etcd.Server.Compact(t.Context(), &pb.CompactionRequest{Revision: s.etcd.Server.KV().Rev(), Physical: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.defragment(); err != nil {
		t.Fatal(err)
	}
	if z := s.Size(); z.Quota != DefaultQuota || z.File > before.File/2 {
		t.Errorf("%+v, before %+v", z, before)
	}
}

func TestWorthDefragmenting(t *testing.T) {
	for _, c := range []struct {
		size, used int64
		want       bool
	}{
		{10 << 20, 1 << 20, false}, // too small to matter
		{1 << 30, 800 << 20, false},
		{1 << 30, 100 << 20, true},
	} {
		if got := worthDefragmenting(c.size, c.used); got != c.want {
			t.Errorf("%d of %d in use: %v", c.used, c.size, got)
		}
	}
}
