package hook

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// What is kept of what is over.
const (
	// keepAge of deliveries.
	keepAge = 7 * 24 * time.Hour
	// keepCount of deliveries of one repository.
	keepCount = 100
	// keepBodies is how many bytes of bodies are kept together; the oldest go.
	keepBodies = 128 << 20
	// remember is how long, and maxRemembered how many, deliveries are known again.
	remember      = 24 * time.Hour
	maxRemembered = 50_000
)

func toNumber(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}

// usage of the spool, which would be slow to count each time.
type usage struct {
	mu     sync.Mutex
	waits  map[string]int // by scope
	wait   int
	bodies int64
	seen   int
}

// measure counts what is there; it is for Open.
func (s *Spool) measure(tx *bolt.Tx) error {
	s.waits = map[string]int{}
	err := tx.Bucket(waiting).ForEach(func(_, scope []byte) error {
		s.waits[string(scope)]++
		s.wait++
		return nil
	})
	return errors.Join(err,
		tx.Bucket(bodies).ForEach(func(_, body []byte) error { s.bodies += int64(len(body)); return nil }),
		tx.Bucket(seenOrder).ForEach(func(_, _ []byte) error { s.seen++; return nil }))
}

func (s *Spool) added(d *Delivery, body int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies += int64(body)
	if d.Of == 0 {
		s.seen++
	}
	if d.Outcome == "" {
		s.wait++
		s.waits[scope(d.Namespace, d.Repository)]++
	}
}

// settled takes a delivery from those that wait.
func (s *Spool) settled(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait--
	if s.waits[scope]--; s.waits[scope] <= 0 {
		delete(s.waits, scope)
	}
}

func (s *Spool) less(bodies int64, seen int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies -= bodies
	s.seen -= seen
}

// full says why one more cannot wait. One repository does not fill the place of all.
func (s *Spool) full(d *Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wait >= maxWaiting || s.waits[scope(d.Namespace, d.Repository)] >= maxWaitingRepository {
		return ErrFull
	}
	return nil
}

// trim removes the oldest deliveries of a repository that has many.
func (s *Spool) trim(tx *bolt.Tx, ns, repo string) error {
	prefix := []byte(scope(ns, repo))
	c := tx.Bucket(byRepo).Cursor()
	k, _ := c.Seek(append(bytes.Clone(prefix), bytes.Repeat([]byte{0xff}, 9)...))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	var old [][]byte
	for n := 0; k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Prev() {
		key := k[len(prefix):]
		if tx.Bucket(waiting).Get(key) != nil {
			continue
		}
		if n++; n > keepCount {
			old = append(old, bytes.Clone(key))
		}
	}
	for _, key := range old {
		if err := s.drop(tx, ns, repo, key); err != nil {
			return err
		}
	}
	return nil
}

// drop one delivery. That it was there is remembered.
func (s *Spool) drop(tx *bolt.Tx, ns, repo string, key []byte) error {
	size := int64(len(tx.Bucket(bodies).Get(key)))
	tx.OnCommit(func() { s.less(size, 0) })
	return errors.Join(
		tx.Bucket(deliveries).Delete(key),
		tx.Bucket(bodies).Delete(key),
		tx.Bucket(byRepo).Delete(append([]byte(scope(ns, repo)), key...)))
}

// Prune removes what is old, and the oldest bodies where there are too many.
func (s *Spool) Prune() error {
	return s.db.Update(func(tx *bolt.Tx) error {
		now := s.now()
		return errors.Join(s.pruneDeliveries(tx, now), s.pruneBodies(tx), s.pruneSeen(tx, now))
	})
}

func (s *Spool) pruneDeliveries(tx *bolt.Tx, now time.Time) error {
	var old []*Delivery
	c := tx.Bucket(deliveries).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		d, err := load(tx, k)
		if err != nil {
			return err
		}
		if now.Sub(d.Received) < keepAge {
			break
		}
		if d.Outcome != "" {
			old = append(old, d)
		}
	}
	for _, d := range old {
		if err := s.drop(tx, d.Namespace, d.Repository, number(d.Number)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spool) pruneBodies(tx *bolt.Tx) error {
	s.mu.Lock()
	over := s.bodies - keepBodies
	s.mu.Unlock()
	var gone int64
	var old [][]byte
	c := tx.Bucket(bodies).Cursor()
	for k, v := c.First(); k != nil && gone < over; k, v = c.Next() {
		gone += int64(len(v))
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := tx.Bucket(bodies).Delete(k); err != nil {
			return err
		}
	}
	tx.OnCommit(func() { s.less(gone, 0) })
	return nil
}

func (s *Spool) pruneSeen(tx *bolt.Tx, now time.Time) error {
	s.mu.Lock()
	over := s.seen - maxRemembered
	s.mu.Unlock()
	gone := 0
	type pair struct{ number, key []byte }
	var old []pair
	c := tx.Bucket(seenOrder).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		d, err := load(tx, k)
		if err != nil {
			return err
		}
		// One that is not kept any more came before keepCount others.
		if gone >= over && d != nil && now.Sub(d.Received) < remember {
			break
		}
		if gone >= over && d == nil {
			continue
		}
		gone++
		old = append(old, pair{bytes.Clone(k), bytes.Clone(v)})
	}
	for _, p := range old {
		if err := errors.Join(tx.Bucket(seenOrder).Delete(p.number), tx.Bucket(seen).Delete(p.key)); err != nil {
			return err
		}
	}
	tx.OnCommit(func() { s.less(0, gone) })
	return nil
}

// Forget all of a repository that is gone: one of the same name is another.
func (s *Spool) Forget(ns, repo string) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		prefix := []byte(scope(ns, repo))
		var keys [][]byte
		c := tx.Bucket(byRepo).Cursor()
		for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k[len(prefix):]))
		}
		for _, key := range keys {
			if tx.Bucket(waiting).Get(key) != nil {
				if err := tx.Bucket(waiting).Delete(key); err != nil {
					return err
				}
				tx.OnCommit(func() { s.settled(string(prefix)) })
			}
			if err := s.drop(tx, ns, repo, key); err != nil {
				return err
			}
		}
		var known [][]byte
		c = tx.Bucket(seen).Cursor()
		for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			known = append(known, bytes.Clone(k), bytes.Clone(v))
		}
		for i := 0; i < len(known); i += 2 {
			if err := errors.Join(tx.Bucket(seen).Delete(known[i]), tx.Bucket(seenOrder).Delete(known[i+1])); err != nil {
				return err
			}
		}
		tx.OnCommit(func() { s.less(0, len(known)/2) })
		return nil
	})
}
