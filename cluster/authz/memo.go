package authz

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

// memo remembers a bounded number of answers for a short time and asks each question
// once at a time.
type memo[V any] struct {
	entries *lru.Cache[string, cached[V]]
	flight  singleflight.Group
	now     func() time.Time
}

type cached[V any] struct {
	value V
	until time.Time
}

func newMemo[V any](size int) *memo[V] {
	entries, err := lru.New[string, cached[V]](size)
	if err != nil {
		panic(err) // the size is a constant of this package
	}
	return &memo[V]{entries: entries, now: time.Now}
}

// askDeadline bounds a question, which outlives the caller that was first to ask it.
const askDeadline = 10 * time.Second

// get returns the remembered answer or asks. Errors are not remembered.
func (c *memo[V]) get(ctx context.Context, key string, ask func(context.Context) (V, time.Duration, error)) (V, error) {
	if e, ok := c.entries.Get(key); ok && c.now().Before(e.until) {
		return e.value, nil
	}
	answer := c.flight.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askDeadline)
		defer cancel()
		v, ttl, err := ask(ctx)
		if err == nil && ttl > 0 {
			c.entries.Add(key, cached[V]{v, c.now().Add(ttl)})
		}
		return v, err
	})
	select {
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	case r := <-answer:
		return r.Val.(V), r.Err
	}
}
