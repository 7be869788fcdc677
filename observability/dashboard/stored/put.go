package stored

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/observability/dashboard"
)

// State of an owner's dashboards.
type State struct {
	Count    int
	Problems []dashboard.Problem
	// Waits: a UID is another owner's. Put it again later.
	Waits bool
}

// State of the dashboards of an owner.
func (s *Store) State(o Owner) State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.have[o]
	if c == nil {
		return State{}
	}
	return State{len(c.Items), slices.Clone(c.Problems), c.Waits}
}

// Put what is in the directory of dashboards of a commit, or in a ConfigMap, in place of what was there. A
// dashboard whose file is bad stays as it was last good. It says whether there are others
// than before, or other ones.
func (s *Store) Put(k Owner, commit string, files []dashboard.File) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(files) == 0 {
		changed, err = s.forget(k)
		if err == nil { // so that the commit is not looked at again
			s.have[k] = &content{Rules: rules, Commit: commit}
		}
		return changed, err
	}
	file, err := s.file(k)
	if err != nil {
		return false, err
	}
	before := &content{}
	if c, err := k.load(file); s.have[k] != nil && err == nil {
		before = c
	}
	good, bad := dashboard.Read(files, s.others(k))
	now := &content{Rules: rules, Commit: commit, Problems: bad, Waits: slices.ContainsFunc(bad, func(p dashboard.Problem) bool { return p.Taken })}
	for _, o := range good {
		var short bytes.Buffer
		if err := json.Compact(&short, o.JSON); err != nil {
			return false, err
		}
		o.JSON = short.Bytes()
		now.Items = append(now.Items, Kept{Own: o, Owner: k, Commit: commit})
	}
	now.Items = append(now.Items, lastGood(before.Items, now.Items, bad)...)
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // a text stays byte for byte as it is compared
	if err := e.Encode(now); err != nil {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return false, err
	}
	if err := atomicfile.Write(file, text.Bytes(), 0o600); err != nil {
		return false, err
	}
	s.have[k] = now.brief()
	return !same(before.Items, now.Items), nil
}

// others are the UIDs of the other owners of the namespace, and who has them.
func (s *Store) others(of Owner) map[string]string {
	out := map[string]string{}
	for k, c := range s.have {
		if k.Namespace == of.Namespace && k != of {
			for _, o := range c.Items {
				if out[o.UID] = o.File; k.Repository != "" {
					out[o.UID] += " of repository " + k.Repository
				}
			}
		}
	}
	return out
}

// lastGood are those of before whose file is bad now and whose UID is free.
func lastGood(before, now []Kept, bad []dashboard.Problem) (out []Kept) {
	for _, o := range before {
		broken := slices.ContainsFunc(bad, func(p dashboard.Problem) bool {
			return o.File == p.File || strings.HasPrefix(o.File, p.File+"#") // a key of it
		})
		replaced := slices.ContainsFunc(now, func(n Kept) bool { return n.UID == o.UID || n.File == o.File })
		if broken && !replaced {
			out = append(out, o)
		}
	}
	return out
}

func same(a, b []Kept) bool {
	return slices.EqualFunc(a, b, func(a, b Kept) bool {
		return a.UID == b.UID && a.File == b.File && string(a.JSON) == string(b.JSON)
	})
}
