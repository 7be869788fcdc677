package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

const (
	lookEvery = 10 * time.Second
	// defragmentEvery so often it may be worth it.
	defragmentEvery = 10 * time.Minute
	// defragmentAt so much of the file unused, if it is also a half of it.
	defragmentAt = 64 << 20
	// nearlyFull is the part of the quota, in percent, from which on a store is reported,
	// and below which it must get before it takes writes again.
	nearlyFull = 90
)

// Size of the store in bytes.
type Size struct {
	// File on disk, Used of it, and the Quota of the file.
	File, Used, Quota int64
	// Refusing says that the quota was reached: nothing but deletions is taken.
	Refusing bool
}

// String says it in short.
func (z Size) String() string {
	return fmt.Sprintf("%d MiB of at most %d MiB, %d MiB in use", z.File>>20, z.Quota>>20, z.Used>>20)
}

// Size now.
func (s *Store) Size() Size {
	b := s.etcd.Server.Backend()
	return Size{File: b.Size(), Used: b.SizeInUse(), Quota: s.quota, Refusing: s.refusing()}
}

// Room is nil while the store takes writes and is not about to refuse them.
func (s *Store) Room() error {
	z := s.Size()
	const next = "delete objects that are not needed, such as old runs, or give a larger --etcd-quota"
	switch {
	case z.Refusing:
		return fmt.Errorf("full, nothing but deletions is taken: %s; %s", z, next)
	case z.Used*100 >= z.Quota*nearlyFull:
		return fmt.Errorf("nearly full: %s; %s", z, next)
	}
	return nil
}

func (s *Store) refusing() bool {
	for _, a := range s.etcd.Server.Alarms() {
		if a.Alarm == pb.AlarmType_NOSPACE {
			return true
		}
	}
	return false
}

// Keep looks after the store until ctx ends: it gives space that compaction freed back to
// the file system, and gets a store that reached its quota to take writes again.
func (s *Store) Keep(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	defragmented := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if s.refusing() {
			if err := s.free(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("etcd is full", "err", err)
			}
			continue
		}
		if time.Since(defragmented) < defragmentEvery {
			continue
		}
		defragmented = time.Now()
		if z := s.Size(); worthDefragmenting(z.File, z.Used) {
			if err := s.defragment(); err != nil {
				s.log.Error("etcd not defragmented", "err", err)
			}
		}
	}
}

// defragment blocks writes for some tens of milliseconds a 100 MB.
func (s *Store) defragment() error {
	before, start := s.Size(), time.Now()
	if err := s.etcd.Server.Backend().Defrag(); err != nil {
		return err
	}
	s.log.Info("etcd defragmented", "before", before.File, "after", s.Size().File, "took", time.Since(start))
	return nil
}

func worthDefragmenting(size, used int64) bool {
	free := size - used
	return free >= defragmentAt && free*2 >= size
}

// free makes room in a store that reached its quota: what was overwritten or deleted is
// forgotten, the file shrinks, and if that helped writes are taken again. The API
// server's own compaction is itself a write, so it cannot do that any more.
func (s *Store) free(ctx context.Context) error {
	_, err := s.etcd.Server.Compact(ctx, &pb.CompactionRequest{Revision: s.etcd.Server.KV().Rev(), Physical: true})
	if err != nil && !errors.Is(err, mvcc.ErrCompacted) {
		return fmt.Errorf("compact: %w", err)
	}
	if err := s.defragment(); err != nil {
		return fmt.Errorf("defragment: %w", err)
	}
	if z := s.Size(); z.File*100 >= z.Quota*nearlyFull {
		return s.Room()
	}
	_, err = s.etcd.Server.Alarm(ctx, &pb.AlarmRequest{
		Action: pb.AlarmRequest_DEACTIVATE, MemberID: uint64(s.etcd.Server.MemberID()), Alarm: pb.AlarmType_NOSPACE,
	})
	if err != nil {
		return fmt.Errorf("take the alarm back: %w", err)
	}
	s.log.Info("etcd takes writes again", "size", s.Size().String())
	return nil
}
