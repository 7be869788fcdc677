package hook

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// rewrite replaces the spool by what still matters: deliveries that wait, and ids
// that a repeat may still bring. The caller holds mu, or is alone.
func (s *Spool) rewrite() error {
	s.forget(time.Now())
	tmp := s.path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	var size int64
	put := func(r record) error {
		line, err := encode(r)
		if err == nil {
			var n int
			n, err = w.Write(line)
			size += int64(n)
		}
		return err
	}
	for k, at := range s.known {
		if _, waits := s.waiting[k]; waits {
			continue
		}
		if err := put(record{Done: k, At: &at}); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	for _, k := range s.order {
		if d, ok := s.waiting[k]; ok {
			if err := put(record{Delivery: &d}); err != nil {
				return errors.Join(err, f.Close())
			}
		}
	}
	if err := errors.Join(w.Flush(), f.Sync(), os.Rename(tmp, s.path), syncDir(filepath.Dir(s.path))); err != nil {
		return errors.Join(err, f.Close())
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.size = f, size
	return nil
}

// forget drops ids that are old, and the oldest where there are too many.
func (s *Spool) forget(now time.Time) {
	var done []string
	for k, at := range s.known {
		if _, waits := s.waiting[k]; waits {
			continue
		}
		if now.Sub(at) > remember {
			delete(s.known, k)
			continue
		}
		done = append(done, k)
	}
	if len(done) > maxRemembered {
		sort.Slice(done, func(i, j int) bool { return s.known[done[i]].Before(s.known[done[j]]) })
		for _, k := range done[:len(done)-maxRemembered] {
			delete(s.known, k)
		}
	}
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
