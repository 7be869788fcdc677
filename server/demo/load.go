package demo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// load asks an address again and again, as users would.
type load struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu   sync.Mutex
	more *sync.Cond
	seen seen
	last []string // the newest answers, oldest first
}

// seen is what the requests got.
type seen struct {
	total, failed int
	answers       map[string]int
	errs          []error
}

// says whether the page is of that version; the name of its pod may have any letters.
func says(answer, version string) bool { return strings.Contains(answer, "hello "+version+" on ") }

func (s seen) with(version string) (n int) {
	for answer, k := range s.answers {
		if says(answer, version) {
			n += k
		}
	}
	return n
}

func (s seen) String() string {
	text := fmt.Sprintf("%d requests, %d failed", s.total, s.failed)
	for _, v := range []string{"v1", "v2", "v3", "v4"} {
		if n := s.with(v); n > 0 {
			text += fmt.Sprintf(", %d answered by %s", n, v)
		}
	}
	return text
}

// startLoad begins; two requests are under way at a time, some 100 a second.
func startLoad(ctx context.Context, url string) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel, seen: seen{answers: map[string]int{}}}
	l.more = sync.NewCond(&l.mu)
	for range 2 {
		l.done.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				text, err := get(ctx, url)
				if ctx.Err() != nil {
					return
				}
				l.note(text, err)
			}
		})
	}
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.more.Broadcast()
	})
	return l
}

func (l *load) note(text string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen.total++
	if err != nil {
		l.seen.failed++
		if len(l.seen.errs) < 5 {
			l.seen.errs = append(l.seen.errs, err)
		}
		text = "error: " + err.Error()
	} else {
		l.seen.answers[text]++
	}
	l.last = append(l.last, text)
	if len(l.last) > 1000 {
		l.last = l.last[500:]
	}
	l.more.Broadcast()
}

// until waits until the last n answers are all of a version.
func (l *load) until(ctx context.Context, n int, version string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		good := 0
		for i := len(l.last) - 1; i >= 0 && says(l.last[i], version); i-- {
			good++
		}
		if good >= n {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the answers are not all of %s: %s: %w", version, l.seen, ctx.Err())
		}
		l.more.Wait()
	}
}

// stop ends the requests and tells what they got; it may be called again.
func (l *load) stop() seen {
	l.cancel()
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}
