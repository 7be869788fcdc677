package release

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// How much Recent keeps: altogether, and of one set, so that a large one does not push
// all others out.
const (
	maxRecent    = 8 << 20
	maxRecentSet = 256 << 10
	maxRecentNum = 16 << 10
)

// Recent are Sets that give what was put a moment ago from memory: a rollout reads its
// set again at every step, each time the same bytes. What is kept is what was stored,
// sealed where that is. What was put by somebody else is read from the Sets below.
type Recent struct {
	Sets

	mu   sync.Mutex
	kept *simplelru.LRU[string, []byte]
	size int
}

var _ Sets = (*Recent)(nil)

// NewRecent remembers what is put into sets.
func NewRecent(sets Sets) *Recent {
	r := &Recent{Sets: sets}
	r.kept, _ = simplelru.NewLRU(maxRecentNum, func(_ string, data []byte) { r.size -= len(data) }) // fails for sizes below 1 only
	return r
}

func recentKey(repository, tag string) string { return repository + ":" + tag }

// Put stores, and remembers what was stored.
func (r *Recent) Put(ctx context.Context, repository, tag, mediaType string, content io.Reader) (string, int64, error) {
	var data bytes.Buffer
	digest, size, err := r.Sets.Put(ctx, repository, tag, mediaType, io.TeeReader(content, &beginning{&data}))
	key := recentKey(repository, tag)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept.Remove(key)
	if err != nil || size != int64(data.Len()) {
		return digest, size, err
	}
	r.kept.Add(key, bytes.Clone(data.Bytes()))
	for r.size += data.Len(); r.size > maxRecent; {
		r.kept.RemoveOldest()
	}
	return digest, size, nil
}

// Get gives what is remembered, or what is stored.
func (r *Recent) Get(ctx context.Context, repository, tag string) (io.ReadCloser, error) {
	r.mu.Lock()
	data, ok := r.kept.Get(recentKey(repository, tag))
	r.mu.Unlock()
	if ok {
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	return r.Sets.Get(ctx, repository, tag)
}

// Delete forgets first, so that nothing is remembered that is gone.
func (r *Recent) Delete(ctx context.Context, repository, tag string) error {
	r.mu.Lock()
	r.kept.Remove(recentKey(repository, tag))
	r.mu.Unlock()
	return r.Sets.Delete(ctx, repository, tag)
}

// beginning takes the first bytes of what is written to it, and never fails.
type beginning struct{ to *bytes.Buffer }

func (h *beginning) Write(p []byte) (int, error) {
	h.to.Write(p[:min(len(p), maxRecentSet-h.to.Len())])
	return len(p), nil
}
