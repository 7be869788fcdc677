package archive

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"slipway.dev/cluster/api/v1alpha1"
)

// The buckets: runs by namespace and name; and, without values, their places by
// namespace, by namespace and repository, and by when artifacts of theirs expire.
var (
	bucketRuns       = []byte("runs")
	bucketNamespace  = []byte("by-namespace")
	bucketRepository = []byte("by-repository")
	bucketExpiry     = []byte("by-expiry")
)

// maxRun bounds what is unpacked of one run; etcd takes a fraction of it.
const maxRun = 64 << 20

// openPatience is how long another process may still have the file.
const openPatience = 10 * time.Second

// Store is the file. It is safe for concurrent use; one process has it at a time.
type Store struct{ db *bbolt.DB }

// Open the file, making it if needed.
func Open(file string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("archive of runs: %w", err)
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: openPatience, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("archive of runs %s: %w", file, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketRuns, bucketNamespace, bucketRepository, bucketExpiry} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("archive of runs %s: %w", file, err), db.Close())
	}
	return &Store{db}, nil
}

// Close the file.
func (s *Store) Close() error { return s.db.Close() }

// Put keeps runs, in place of those of their names, all or none.
func (s *Store) Put(runs ...*v1alpha1.Run) error {
	packed := make([][]byte, len(runs))
	for i, run := range runs {
		var err error
		if packed[i], err = pack(run); err != nil {
			return fmt.Errorf("archive run %s: %w", run.Name, err)
		}
	}
	return s.update(func(tx *bbolt.Tx) error {
		for i, run := range runs {
			if err := remove(tx, run.Namespace, run.Name); err != nil {
				return err
			}
			if err := tx.Bucket(bucketRuns).Put(runKey(run.Namespace, run.Name), packed[i]); err != nil {
				return err
			}
			for bucket, key := range places(run) {
				if err := tx.Bucket([]byte(bucket)).Put(key, nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Get a run; os.ErrNotExist where it is not in the archive.
func (s *Store) Get(namespace, name string) (*v1alpha1.Run, error) {
	var run *v1alpha1.Run
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		run, err = get(tx, namespace, name)
		return err
	})
	if err == nil && run == nil {
		err = fmt.Errorf("run %s: %w", name, os.ErrNotExist)
	}
	return run, err
}

// Delete a run; one that is not there is no fault.
func (s *Store) Delete(namespace, name string) error {
	return s.update(func(tx *bbolt.Tx) error { return remove(tx, namespace, name) })
}

// List at most limit runs of a namespace, or of one repository in it, that come after a
// position, newest first.
func (s *Store) List(namespace, repository string, after Position, limit int) ([]v1alpha1.Run, error) {
	bucket, prefix := bucketNamespace, join(namespace, "")
	if repository != "" {
		bucket, prefix = bucketRepository, join(namespace, repository, "")
	}
	var runs []v1alpha1.Run
	err := s.db.View(func(tx *bbolt.Tx) error {
		return backwards(tx.Bucket(bucket), prefix, after, func(at Position) (bool, error) {
			run, err := get(tx, namespace, string(at[positionMin-1:]))
			if err != nil {
				return false, err
			}
			if run != nil {
				runs = append(runs, *run)
			}
			return len(runs) < limit, nil
		})
	})
	return runs, err
}

// Expired are at most limit runs with artifacts that were to be deleted by then.
func (s *Store) Expired(by time.Time, limit int) ([]v1alpha1.Run, error) {
	var runs []v1alpha1.Run
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketExpiry).Cursor()
		for k, _ := c.First(); k != nil && len(runs) < limit; k, _ = c.Next() {
			at, namespace, name, err := parseExpiry(k)
			if err != nil {
				return err
			}
			if at.After(by) {
				return nil
			}
			run, err := get(tx, namespace, name)
			if err != nil {
				return err
			}
			if run != nil {
				runs = append(runs, *run)
			}
		}
		return nil
	})
	return runs, err
}

// Repositories that have runs in the archive, each with the newest of them.
func (s *Store) Repositories() (newest []v1alpha1.Run, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketRepository).Cursor()
		for k, _ := c.First(); k != nil; {
			parts := bytes.SplitN(k, separator, 3)
			if len(parts) != 3 {
				return fmt.Errorf("archive of runs: key %q: %w", k, errBroken)
			}
			prefix := join(string(parts[0]), string(parts[1]), "")
			err := backwards(tx.Bucket(bucketRepository), prefix, "", func(at Position) (bool, error) {
				run, err := get(tx, string(parts[0]), string(at[positionMin-1:]))
				if run != nil {
					newest = append(newest, *run)
				}
				return false, err
			})
			if err != nil {
				return err
			}
			k, _ = c.Seek(beyond(prefix))
		}
		return nil
	})
	return newest, err
}

func (s *Store) update(f func(*bbolt.Tx) error) error {
	if err := s.db.Update(f); err != nil {
		return fmt.Errorf("archive of runs: %w", err)
	}
	return nil
}

func get(tx *bbolt.Tx, namespace, name string) (*v1alpha1.Run, error) {
	data := tx.Bucket(bucketRuns).Get(runKey(namespace, name))
	if data == nil {
		return nil, nil
	}
	run, err := unpack(data)
	if err != nil {
		return nil, fmt.Errorf("archived run %s: %w", name, err)
	}
	return run, nil
}

// remove a run and its places.
func remove(tx *bbolt.Tx, namespace, name string) error {
	run, err := get(tx, namespace, name)
	if run == nil || err != nil {
		return err
	}
	for bucket, key := range places(run) {
		if err := tx.Bucket([]byte(bucket)).Delete(key); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketRuns).Delete(runKey(namespace, name))
}

func pack(run *v1alpha1.Run) ([]byte, error) {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if err := json.NewEncoder(zw).Encode(run); err != nil {
		return nil, err
	}
	err := zw.Close()
	return b.Bytes(), err
}

func unpack(data []byte) (*v1alpha1.Run, error) {
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	run := &v1alpha1.Run{}
	return run, json.NewDecoder(io.LimitReader(zr, maxRun)).Decode(run)
}
