package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// atOnce is how many deliveries are marked done together.
	atOnce = 64
	// giveUp on a delivery that cannot be handled for so long.
	giveUp = 24 * time.Hour
	// pruneEvery is how often old deliveries are looked for.
	pruneEvery = time.Hour
)

// Run hands every delivery to deliver until ctx ends, those of before a restart first,
// and keeps what deliver says of it. One that fails comes again after a pause and holds
// up no other; a delivery may so come twice, and late.
func (s *Spool) Run(ctx context.Context, deliver func(context.Context, Delivery) (string, error)) error {
	pause := time.Duration(0)
	pruned := time.Time{}
	for {
		if time.Since(pruned) > pruneEvery {
			if err := s.Prune(); err != nil {
				s.log.Warn("old webhook deliveries not removed", "error", err)
			}
			pruned = time.Now()
		}
		failed, err := s.pass(ctx, deliver)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("webhook deliveries not marked; they come again", "error", err)
		}
		if pause = min(max(2*pause, time.Second), time.Minute); !failed && err == nil {
			pause = 0
		}
		again := time.After(pruneEvery)
		if pause > 0 {
			again = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.arrived:
		case <-again:
		}
	}
}

// pass over all that wait, once.
func (s *Spool) pass(ctx context.Context, deliver func(context.Context, Delivery) (string, error)) (failed bool, err error) {
	for after := uint64(0); ctx.Err() == nil; {
		next, err := s.pending(after, atOnce)
		if err != nil || len(next) == 0 {
			return failed, err
		}
		after = next[len(next)-1].Number
		var did []Delivery
		for _, d := range next {
			if ctx.Err() != nil {
				break
			}
			message, err := deliver(ctx, d)
			if err != nil && ctx.Err() != nil {
				break
			}
			s.outcome(&d, message, err)
			failed = failed || d.Outcome == ""
			did = append(did, d)
		}
		if err := s.mark(did); err != nil {
			return failed, err
		}
	}
	return failed, nil
}

// outcome of one attempt.
func (s *Spool) outcome(d *Delivery, message string, err error) {
	at := s.now()
	d.Message = oneLine(message, 500)
	if err == nil {
		d.Outcome, d.Handled = Done, &at
		return
	}
	d.Attempts++
	d.Message = oneLine(err.Error(), 500)
	if at.Sub(d.Received) > giveUp {
		d.Outcome, d.Handled = Failed, &at
	}
	if d.Attempts > 1 && d.Outcome == "" {
		return
	}
	s.log.Warn("webhook not handled", "namespace", d.Namespace, "repository", d.Repository, "delivery", d.Number, "given up", d.Outcome != "", "error", err)
}

// pending are the first deliveries behind one that wait.
func (s *Spool) pending(after uint64, n int) ([]Delivery, error) {
	var out []Delivery
	err := s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(waiting).Cursor()
		for k, _ := c.Seek(number(after + 1)); k != nil && len(out) < n; k, _ = c.Next() {
			d, err := load(tx, k)
			if err != nil {
				return err
			}
			if d != nil {
				out = append(out, *d)
			}
		}
		return nil
	})
	return out, err
}

// mark what came of deliveries, in one write, which those that come now share.
func (s *Spool) mark(did []Delivery) error {
	if len(did) == 0 {
		return nil
	}
	return s.db.Batch(func(tx *bolt.Tx) error {
		over := map[[2]string]bool{}
		for i := range did {
			d := &did[i]
			key := number(d.Number)
			if tx.Bucket(waiting).Get(key) == nil {
				continue // forgotten meanwhile
			}
			if err := save(tx, d); err != nil {
				return err
			}
			if d.Outcome == "" {
				continue
			}
			if err := tx.Bucket(waiting).Delete(key); err != nil {
				return err
			}
			over[[2]string{d.Namespace, d.Repository}] = true
			tx.OnCommit(func() { s.settled(scope(d.Namespace, d.Repository)) })
		}
		for of := range over {
			if err := s.trim(tx, of[0], of[1]); err != nil {
				return err
			}
		}
		return nil
	})
}

// ErrNotFound is wrapped where the repository has no such delivery.
var ErrNotFound error = notFound{}

type notFound struct{}

func (notFound) Error() string { return "no such delivery" }

// Is says that it is one of fs.ErrNotExist.
func (notFound) Is(target error) bool { return target == fs.ErrNotExist }

// List the deliveries of a repository that are kept, newest first.
func (s *Spool) List(ns, repo string) ([]Delivery, error) {
	out := []Delivery{}
	err := s.db.View(func(tx *bolt.Tx) error {
		prefix := []byte(scope(ns, repo))
		c := tx.Bucket(byRepo).Cursor()
		for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			d, err := load(tx, k[len(prefix):])
			if err != nil {
				return err
			}
			if d != nil {
				out = append(out, *d)
			}
		}
		return nil
	})
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, err
}

// Get one delivery of a repository with what is kept of its body.
func (s *Spool) Get(ns, repo string, n uint64) (*Delivery, []byte, error) {
	var d *Delivery
	var body []byte
	err := s.db.View(func(tx *bolt.Tx) error {
		var err error
		d, err = load(tx, number(n))
		body = bytes.Clone(tx.Bucket(bodies).Get(number(n)))
		return err
	})
	if err == nil && (d == nil || d.Namespace != ns || d.Repository != repo) {
		return nil, nil, fmt.Errorf("repository %s: delivery %d: %w", repo, n, ErrNotFound)
	}
	return d, body, err
}

// ErrNothing is wrapped where a delivery says nothing that could be done again.
var ErrNothing = errors.New("nothing follows from it")

// Redeliver has a delivery acted on again, as a new one. What it says is what it said
// then: where the forge has told something newer since, that stands.
func (s *Spool) Redeliver(ctx context.Context, ns, repo string, n uint64, by string) (*Delivery, error) {
	old, body, err := s.Get(ns, repo, n)
	if err != nil {
		return nil, err
	}
	if !old.Event.Acts() {
		return nil, fmt.Errorf("repository %s: delivery %d: %w: %s", repo, n, ErrNothing, orElse(old.Message, old.Event.Name))
	}
	again := *old
	again.Of, again.By, again.Received = n, by, s.now()
	again.Outcome, again.Message, again.Handled, again.Attempts = "", "", nil, 0
	again.Number, _, err = s.Add(ctx, again, body)
	return &again, err
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
