package supervise

import (
	"math/rand/v2"
	"time"
)

// backoff grows from quick to slow while a child keeps dying, and forgets when
// it has run for a while. The jitter keeps several children from restarting in
// step.
type backoff struct {
	next time.Duration
}

const (
	backoffFirst = 100 * time.Millisecond
	backoffMax   = 30 * time.Second
	backoffReset = time.Minute
)

// after says how long to wait before the next start of a child that ran for
// lived: between half of the step and the whole of it.
func (b *backoff) after(lived time.Duration) time.Duration {
	if lived >= backoffReset || b.next == 0 {
		b.next = backoffFirst
	}
	step := b.next
	b.next = min(b.next*2, backoffMax)
	return step/2 + rand.N(step/2+1)
}
