package stored

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/util/validation"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/observability/dashboard"
)

// rules is the version of what Read takes: what other rules stored is read again.
const rules = 1

// Kept is a dashboard of a repository.
type Kept struct {
	dashboard.Own
	Namespace  string `json:"-"`
	Repository string `json:"-"`
	// Commit that it is of; an older one where its file is bad now.
	Commit string `json:"commit"`
}

// content of a repository's file.
type content struct {
	Rules    int                 `json:"rules"`
	Commit   string              `json:"commit"`
	Items    []Kept              `json:"items"`
	Problems []dashboard.Problem `json:"problems,omitempty"`
	// Waits says that a UID was another repository's, which may give it free.
	Waits bool `json:"waits,omitempty"`
}

type key struct{ namespace, repository string }

// Store of all of them. It keeps their texts on the disk alone.
type Store struct {
	dir string

	mu   sync.RWMutex
	have map[key]*content
}

// Open the store in a directory. A file that cannot be read is as if there were none.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir, have: map[key]*content{}}
	unfinished, err := filepath.Glob(filepath.Join(dir, "*", ".*.json.*")) // of a write that a crash cut off
	if err != nil {
		return nil, err
	}
	for _, file := range unfinished {
		if err := os.Remove(file); err != nil {
			return nil, err
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		k := key{filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".json")}
		if c, err := k.load(file); err == nil {
			s.have[k] = c.brief()
		}
	}
	return s, nil
}

func (k key) load(file string) (*content, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var c content
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i := range c.Items {
		c.Items[i].Namespace, c.Items[i].Repository = k.namespace, k.repository
	}
	return &c, nil
}

// brief is without texts.
func (c *content) brief() *content {
	out := *c
	out.Items = slices.Clone(c.Items)
	for i := range out.Items {
		out.Items[i].JSON = nil
	}
	return &out
}

// file of a repository; an error if its name is none.
func (s *Store) file(k key) (string, error) {
	for _, name := range []string{k.namespace, k.repository} {
		if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
			return "", fmt.Errorf("dashboards of %s/%s: %s", k.namespace, k.repository, errs[0])
		}
	}
	return filepath.Join(s.dir, k.namespace, k.repository+".json"), nil
}

// Settled says that the dashboards of a commit are stored, and would not be other ones now.
func (s *Store) Settled(namespace, repository, commit string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.have[key{namespace, repository}]
	return c != nil && c.Rules == rules && c.Commit == commit && !c.Waits
}

// Forget those of a repository, and says whether there were some.
func (s *Store) Forget(namespace, repository string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forget(key{namespace, repository})
}

func (s *Store) forget(k key) (bool, error) {
	c, there := s.have[k]
	if !there {
		return false, nil
	}
	file, err := s.file(k)
	if err != nil {
		return false, err
	}
	err = os.Remove(file)
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(file))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // there is no file of a repository without dashboards
		return false, err
	}
	delete(s.have, k)
	return len(c.Items) > 0, nil
}

// List those of a namespace, by title, without their texts.
func (s *Store) List(namespace string) []Kept {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Kept
	for k, c := range s.have {
		if k.namespace == namespace {
			out = append(out, c.Items...)
		}
	}
	slices.SortFunc(out, func(a, b Kept) int { return cmp.Or(cmp.Compare(a.Title, b.Title), cmp.Compare(a.UID, b.UID)) })
	return out
}

// Problems of the files of a namespace's repositories, by repository.
func (s *Store) Problems(namespace string) map[string][]dashboard.Problem {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := map[string][]dashboard.Problem{}
	for k, c := range s.have {
		if k.namespace == namespace && len(c.Problems) > 0 {
			out[k.repository] = slices.Clone(c.Problems)
		}
	}
	return out
}

// Get one with its text.
func (s *Store) Get(namespace, uid string) (Kept, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for k, c := range s.have {
		if k.namespace != namespace || !slices.ContainsFunc(c.Items, func(o Kept) bool { return o.UID == uid }) {
			continue
		}
		file, err := s.file(k)
		if err != nil {
			return Kept{}, false, err
		}
		full, err := k.load(file)
		if err != nil {
			return Kept{}, false, err
		}
		for _, o := range full.Items {
			if o.UID == uid {
				return o, true, nil
			}
		}
	}
	return Kept{}, false, nil
}

// Of are those of a namespace with their texts, by UID.
func (s *Store) Of(namespace string) ([]Kept, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Kept
	for k, c := range s.have {
		if k.namespace != namespace || len(c.Items) == 0 {
			continue
		}
		file, err := s.file(k)
		if err != nil {
			return nil, err
		}
		full, err := k.load(file)
		if err != nil {
			return nil, err
		}
		out = append(out, full.Items...)
	}
	slices.SortFunc(out, func(a, b Kept) int { return cmp.Compare(a.UID, b.UID) })
	return out, nil
}
