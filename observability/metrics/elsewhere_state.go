package metrics

import (
	"context"
	"strings"
	"sync"
	"time"
)

// ElsewhereState is how the Prometheus is that answers in place of the embedded one.
type ElsewhereState struct {
	URL string `json:"url"`
	// Asked is when it was asked last.
	Asked time.Time `json:"asked,omitzero"`
	// Problem is why it does not answer, since then.
	Problem string    `json:"problem,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// askElsewhere is how often it is asked where nobody asks it anything.
const askElsewhere = 30 * time.Second

type theirState struct {
	mu  sync.Mutex
	now ElsewhereState
}

func (s *theirState) is(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Asked = time.Now()
	if err == nil {
		s.now.Problem, s.now.Since = "", time.Time{}
		return
	}
	if s.now.Problem = err.Error(); s.now.Since.IsZero() {
		s.now.Since = s.now.Asked
	}
}

// Elsewhere is how the Prometheus is that answers queries; nil when that is the embedded one.
func (m *Metrics) Elsewhere() *ElsewhereState {
	if m.theirs == nil {
		return nil
	}
	m.theirs.state.mu.Lock()
	defer m.theirs.state.mu.Unlock()
	now := m.theirs.state.now
	now.URL = m.theirs.URL
	return &now
}

// watch asks now and then, so that it is known that it is away before somebody needs it.
func (e *foreign) watch(ctx context.Context) {
	if e == nil {
		return
	}
	tick := time.NewTicker(askElsewhere)
	defer tick.Stop()
	for {
		e.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks the cheapest question there is.
func (e *foreign) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := e.request(ctx, "POST", "/api/v1/query", strings.NewReader("query=1"))
	if err != nil {
		e.state.is(err)
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if resp, err := e.do(req, "application/json"); err == nil {
		_ = resp.Body.Close()
	}
}
