package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// maxWaiting deliveries, and of one repository, after which more are refused: they wait
// only while the Kubernetes API is away.
const (
	maxWaiting           = 20_000
	maxWaitingRepository = 1_000
)

// maxKeptBody is how much of a body is kept for people to look at.
const maxKeptBody = 32 << 10

// ErrFull is returned while more deliveries wait than the spool takes.
var ErrFull = errors.New("webhook spool is full")

// The buckets. Numbers grow with time, so that what is oldest comes first.
var (
	deliveries = []byte("deliveries") // number -> Delivery
	bodies     = []byte("bodies")     // number -> the first part of the body
	waiting    = []byte("waiting")    // number -> scope
	byRepo     = []byte("repository") // scope number -> nothing
	seen       = []byte("seen")       // key of a delivery -> its number
	seenOrder  = []byte("seen-order") // number -> key
)

// Spool keeps deliveries from their acceptance until they are done, through any crash,
// and for some time after. Many that come at once share one fsync. One process owns it
// at a time.
type Spool struct {
	log     *slog.Logger
	db      *bolt.DB
	now     func() time.Time
	arrived chan struct{}
	usage
}

// Open reads the spool in dir, making it if needed. One that is damaged is put aside:
// the repositories are polled, so that it holds up nothing.
func Open(dir string, log *slog.Logger) (*Spool, error) {
	if log == nil {
		log = slog.Default()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("webhook spool: %w", err)
	}
	_ = os.Remove(filepath.Join(dir, "spool")) // of a version that was never released
	name := filepath.Join(dir, "deliveries.db")
	db, err := bolt.Open(name, 0o600, &bolt.Options{Timeout: 5 * time.Second})
	if errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrChecksum) || errors.Is(err, bolterrors.ErrVersionMismatch) {
		log.Error("webhook spool is damaged and was put aside; what waited in it is found by polling", "file", name+".damaged", "error", err)
		if err = os.Rename(name, name+".damaged"); err == nil {
			db, err = bolt.Open(name, 0o600, &bolt.Options{Timeout: 5 * time.Second})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("webhook spool: %w", err)
	}
	// Those that come within this time share one fsync.
	db.MaxBatchDelay = 2 * time.Millisecond
	s := &Spool{log: log, db: db, now: time.Now, arrived: make(chan struct{}, 1)}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{deliveries, bodies, waiting, byRepo, seen, seenOrder} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return s.measure(tx)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("webhook spool: %w", err), db.Close())
	}
	return s, nil
}

// Close stops writing. Deliveries that wait stay in the spool.
func (s *Spool) Close() error { return s.db.Close() }

// Add returns when d is on disk, with its number there. fresh is false where the same
// delivery was there before; the number is that one's.
func (s *Spool) Add(ctx context.Context, d Delivery, body []byte) (n uint64, fresh bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	if d.Of == 0 {
		d.Size = len(body)
	}
	if len(body) > maxKeptBody {
		body, d.Truncated = body[:maxKeptBody], true
	}
	err = s.db.Batch(func(tx *bolt.Tx) error {
		n, fresh = 0, false
		if known := tx.Bucket(seen).Get(d.key()); known != nil && d.Of == 0 {
			n = toNumber(known)
			return nil
		}
		if d.Outcome == "" {
			if err := s.full(&d); err != nil {
				return err
			}
		}
		var err error
		if n, err = tx.Bucket(deliveries).NextSequence(); err != nil {
			return err
		}
		fresh, d.Number = true, n
		if err := s.put(tx, &d, body); err != nil || d.Outcome == "" {
			return err // it is trimmed when it is done
		}
		return s.trim(tx, d.Namespace, d.Repository)
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		err = fs.ErrClosed
	}
	if err != nil {
		return 0, false, fmt.Errorf("webhook spool: %w", err)
	}
	if fresh && d.Outcome == "" {
		s.wake()
	}
	return n, fresh, nil
}

func (s *Spool) wake() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// put a new delivery with all that leads to it.
func (s *Spool) put(tx *bolt.Tx, d *Delivery, body []byte) error {
	key := number(d.Number)
	err := errors.Join(
		save(tx, d),
		tx.Bucket(byRepo).Put(append([]byte(scope(d.Namespace, d.Repository)), key...), nil),
	)
	if err == nil && d.Of == 0 {
		err = errors.Join(tx.Bucket(seen).Put(d.key(), key), tx.Bucket(seenOrder).Put(key, d.key()))
	}
	if err == nil && len(body) > 0 {
		err = tx.Bucket(bodies).Put(key, body)
	}
	if err == nil && d.Outcome == "" {
		err = tx.Bucket(waiting).Put(key, []byte(scope(d.Namespace, d.Repository)))
	}
	tx.OnCommit(func() { s.added(d, len(body)) })
	return err
}

func save(tx *bolt.Tx, d *Delivery) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return tx.Bucket(deliveries).Put(number(d.Number), raw)
}

// load the delivery of the key; nil where there is none.
func load(tx *bolt.Tx, key []byte) (*Delivery, error) {
	raw := tx.Bucket(deliveries).Get(key)
	if raw == nil {
		return nil, nil
	}
	d := &Delivery{}
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("delivery %d: %w", toNumber(key), err)
	}
	return d, nil
}
