package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxText  = 500
	maxShown = 100
)

type entry struct {
	Time time.Time `json:"time"`
	Name string    `json:"name"`
	Text string    `json:"text"`
}

func (e *entry) check() error {
	e.Name, e.Text = strings.TrimSpace(e.Name), strings.TrimSpace(e.Text)
	if e.Name == "" {
		e.Name = "anonymous"
	}
	switch {
	case e.Text == "":
		return errors.New("text is empty")
	case len(e.Text) > maxText || len(e.Name) > maxText:
		return fmt.Errorf("at most %d bytes", maxText)
	}
	return nil
}

// store appends entries to a file, one JSON object a line, and keeps them in memory.
type store struct {
	mu      sync.RWMutex
	file    *os.File
	entries []entry
}

// openStore reads what is there. A last line that a crash cut short is dropped.
func openStore(path string) (*store, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	s := &store{file: f}
	r := bufio.NewReader(f)
	var good int64
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			break
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			break
		}
		s.entries = append(s.entries, e)
		good += int64(len(line))
	}
	if err := f.Truncate(good); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(good, 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (s *store) close() error { return s.file.Close() }

// add returns once the entry is on the disk.
func (s *store) add(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.file.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.entries = append(s.entries, e)
	return nil
}

// newest entries first.
func (s *store) newest() []entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := slices.Clone(s.entries[max(0, len(s.entries)-maxShown):])
	slices.Reverse(out)
	return out
}

func (s *store) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /entries", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.newest())
	})
	mux.HandleFunc("POST /entries", func(w http.ResponseWriter, r *http.Request) {
		var e entry
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<10)).Decode(&e); err != nil {
			http.Error(w, "the body is not an entry", http.StatusBadRequest)
			return
		}
		if err := e.check(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		e.Time = time.Now().UTC()
		if err := s.add(e); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		fmt.Fprintf(w, "# TYPE guestbook_entries gauge\nguestbook_entries %d\n", len(s.entries))
	})
	return mux
}
