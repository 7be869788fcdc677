package git

import (
	"maps"
	"path"
	"sync"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// knownCommits are those whose directories are remembered, as many paths of each.
	knownCommits = 8
	knownPaths   = 20_000
)

// known remembers what directories of commits are. Of one push a thousand applications look
// at their own directories, and the way to each leads through one that has a thousand
// entries, which have to be read to find it: that is a million. What a commit is made of
// never changes.
type known struct {
	mu      sync.Mutex
	commits *simplelru.LRU[string, map[string]Footprint]
}

func knownKey(ns, repo, commit string) string { return ns + "/" + repo + "@" + commit }

// of a commit; the answer is not to be changed.
func (k *known) of(ns, repo, commit string) map[string]Footprint {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.commits == nil {
		return nil
	}
	paths, _ := k.commits.Get(knownKey(ns, repo, commit))
	return paths
}

// add what directories of a commit are.
func (k *known) add(ns, repo, commit string, found map[string]Footprint) {
	if len(found) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.commits == nil {
		k.commits, _ = simplelru.NewLRU[string, map[string]Footprint](knownCommits, nil) // fails for sizes below 1 only
	}
	key := knownKey(ns, repo, commit)
	before, _ := k.commits.Peek(key)
	if len(before)+len(found) > knownPaths {
		return
	}
	all := maps.Clone(before)
	if all == nil {
		all = map[string]Footprint{}
	}
	maps.Copy(all, found)
	k.commits.Add(key, all)
}

// nearest known directory that a path is in, and the rest of the way from there; nil where
// there is none, or its objects have gone.
func nearest(r *gogit.Repository, dirs map[string]Footprint, p string) (tree *object.Tree, rest string) {
	for dir := p; dir != "." && dir != ""; dir = path.Dir(dir) {
		f, ok := dirs[dir]
		if !ok || f.Hash == "" {
			continue
		}
		tree, err := r.TreeObject(plumbing.NewHash(f.Hash))
		if err != nil {
			return nil, ""
		}
		if dir == p {
			return tree, ""
		}
		return tree, p[len(dir)+1:]
	}
	return nil, ""
}
