package hook

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// briefTime is how long a secret is remembered: nobody who knows the name of a
	// repository can have it read at the rate of their requests.
	briefTime = 2 * time.Second
	// maxBrief secrets are remembered at one time.
	maxBrief = 1000
	// readTime is how long one may be read.
	readTime = 10 * time.Second
)

// Secrets remembers for a moment what was read; those who ask at one time share one
// answer. An error is not remembered.
type Secrets struct {
	// Read the secret of the name; empty where there is none.
	Read func(ctx context.Context, ns, name string) ([]byte, error)

	mu    sync.Mutex
	have  map[string]brief
	group singleflight.Group
}

type brief struct {
	value []byte
	until time.Time
}

// Get the secret of the name.
func (s *Secrets) Get(ctx context.Context, ns, name string) ([]byte, error) {
	key := ns + "/" + name
	s.mu.Lock()
	one, ok := s.have[key]
	s.mu.Unlock()
	if ok && time.Now().Before(one.until) {
		return one.value, nil
	}
	v, err, _ := s.group.Do(key, func() (any, error) {
		// One that goes away takes the answer from none of the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTime)
		defer cancel()
		value, err := s.Read(ctx, ns, name)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.have == nil || len(s.have) >= maxBrief {
			s.have = map[string]brief{}
		}
		s.have[key] = brief{value, time.Now().Add(briefTime)}
		return value, nil
	})
	value, _ := v.([]byte)
	return value, err
}
