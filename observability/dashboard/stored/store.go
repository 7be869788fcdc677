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

// Owner of dashboards: a repository, or a ConfigMap of the cluster.
type Owner struct {
	Namespace string
	// Either of the two.
	Repository, ConfigMap string
}

// Kept is a dashboard of a repository or a ConfigMap.
type Kept struct {
	dashboard.Own
	Owner `json:"-"`
	// Commit that it is of, or version of its ConfigMap; an older one where its file is bad
	// now.
	Commit string `json:"commit"`
}

// content of an owner's file.
type content struct {
	Rules    int                 `json:"rules"`
	Commit   string              `json:"commit"`
	Items    []Kept              `json:"items"`
	Problems []dashboard.Problem `json:"problems,omitempty"`
	// Waits says that a UID was another repository's, which may give it free.
	Waits bool `json:"waits,omitempty"`
}

// Store of all of them. It keeps their texts on the disk alone.
type Store struct {
	dir string

	mu   sync.RWMutex
	have map[Owner]*content
}

// Open the store in a directory. A file that cannot be read is as if there were none.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir, have: map[Owner]*content{}}
	for _, of := range []string{"", configMaps} {
		unfinished, err := filepath.Glob(filepath.Join(dir, "*", of, ".*.json.*")) // of a write that a crash cut off
		if err != nil {
			return nil, err
		}
		for _, file := range unfinished {
			if err := os.Remove(file); err != nil {
				return nil, err
			}
		}
		files, err := filepath.Glob(filepath.Join(dir, "*", of, "*.json"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			o := Owner{Namespace: filepath.Base(filepath.Dir(file)), Repository: name}
			if of != "" {
				o = Owner{Namespace: filepath.Base(filepath.Dir(filepath.Dir(file))), ConfigMap: name}
			}
			if c, err := o.load(file); err == nil {
				s.have[o] = c.brief()
			}
		}
	}
	return s, nil
}

// configMaps is the directory of those, beside the files of repositories.
const configMaps = "configmaps"

func (o Owner) load(file string) (*content, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var c content
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i := range c.Items {
		c.Items[i].Owner = o
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

// file of an owner; an error if its name is none.
func (s *Store) file(o Owner) (string, error) {
	of, name := "", o.Repository
	if o.ConfigMap != "" {
		of, name = configMaps, o.ConfigMap
	}
	for _, n := range []string{o.Namespace, name} {
		if errs := validation.IsDNS1123Subdomain(n); len(errs) > 0 {
			return "", fmt.Errorf("dashboards of %s/%s: %s", o.Namespace, name, errs[0])
		}
	}
	return filepath.Join(s.dir, o.Namespace, of, name+".json"), nil
}

// Settled says that the dashboards of a commit are stored, and would not be other ones now.
func (s *Store) Settled(o Owner, commit string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.have[o]
	return c != nil && c.Rules == rules && c.Commit == commit && !c.Waits
}

// Forget those of an owner, and says whether there were some.
func (s *Store) Forget(o Owner) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forget(o)
}

func (s *Store) forget(o Owner) (bool, error) {
	c, there := s.have[o]
	if !there {
		return false, nil
	}
	file, err := s.file(o)
	if err != nil {
		return false, err
	}
	err = os.Remove(file)
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(file))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // there is no file of an owner without dashboards
		return false, err
	}
	delete(s.have, o)
	return len(c.Items) > 0, nil
}

// List those of a namespace, by title, without their texts.
func (s *Store) List(namespace string) []Kept {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Kept
	for k, c := range s.have {
		if k.Namespace == namespace {
			out = append(out, c.Items...)
		}
	}
	slices.SortFunc(out, func(a, b Kept) int { return cmp.Or(cmp.Compare(a.Title, b.Title), cmp.Compare(a.UID, b.UID)) })
	return out
}

// Problems of files of a namespace, by whose they are.
func (s *Store) Problems(namespace string) map[Owner][]dashboard.Problem {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := map[Owner][]dashboard.Problem{}
	for k, c := range s.have {
		if k.Namespace == namespace && len(c.Problems) > 0 {
			out[k] = slices.Clone(c.Problems)
		}
	}
	return out
}

// Get one with its text.
func (s *Store) Get(namespace, uid string) (Kept, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for k, c := range s.have {
		if k.Namespace != namespace || !slices.ContainsFunc(c.Items, func(o Kept) bool { return o.UID == uid }) {
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
		if k.Namespace != namespace || len(c.Items) == 0 {
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

// ConfigMaps whose dashboards are stored.
func (s *Store) ConfigMaps() []Owner {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Owner
	for o := range s.have {
		if o.ConfigMap != "" {
			out = append(out, o)
		}
	}
	return out
}
