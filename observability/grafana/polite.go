package grafana

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	callLimit = 30 * time.Second
	// answerLimit bounds what Grafana may answer: a dashboard is a few hundred KB.
	answerLimit = 32 << 20
	// askRate and askBurst are how often it is asked in a pass: a Grafana is other people's.
	askRate, askBurst = 20, 50
	// busyTries is how often a request is made that is answered with "too many".
	busyTries = 4
	// longestWait is what it may ask us to wait for; beyond, the pass ends.
	longestWait = time.Minute
)

// polite asks Grafana no faster than it should be asked, and waits as long as it says when
// it has enough. Each request has the context of its pass, each answer a size.
type polite struct {
	ctx  context.Context
	next http.RoundTripper
	pace *rate.Limiter
	// asked counts.
	asked *atomic.Int64
}

func (p polite) RoundTrip(r *http.Request) (*http.Response, error) {
	for try, wait := 1, 2*time.Second; ; try, wait = try+1, 2*wait {
		if err := p.pace.Wait(p.ctx); err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}
			return nil, err
		}
		p.asked.Add(1)
		resp, err := p.once(r)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || try == busyTries {
			return resp, err
		}
		if said, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && said >= 0 {
			wait = time.Duration(min(said, 3600)) * time.Second
		}
		if wait > longestWait || r.Body != nil && r.GetBody == nil {
			return resp, nil
		}
		if r.Body != nil {
			body, err := r.GetBody()
			if err != nil {
				return resp, nil // the answer there is says it better
			}
			r = r.Clone(r.Context())
			r.Body = body
		}
		_ = resp.Body.Close()
		select {
		case <-p.ctx.Done():
			return nil, context.Cause(p.ctx)
		case <-time.After(wait):
		}
	}
}

func (p polite) once(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(p.ctx, callLimit)
	resp, err := p.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &limited{Reader: io.LimitReader(resp.Body, answerLimit), body: resp.Body, done: cancel}
	return resp, nil
}

type limited struct {
	io.Reader
	body io.Closer
	done func()
}

func (l *limited) Close() error {
	defer l.done()
	return l.body.Close()
}
