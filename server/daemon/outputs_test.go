package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway.dev/observability/logs"
	"slipway.dev/observability/metrics"
)

func TestOutputStates(t *testing.T) {
	ask := func(o ...logs.OutputState) func(context.Context) ([]logs.OutputState, error) {
		return func(context.Context) ([]logs.OutputState, error) { return o, nil }
	}
	fine := outputStates(t.Context(), ask(logs.OutputState{Name: "fluent at f:24224", Sent: 7}))
	if len(fine) != 1 || !fine[0].Ready || fine[0].Name != "logs to fluent at f:24224" || fine[0].Message != "7 lines sent" {
		t.Errorf("fine: %+v", fine)
	}
	bad := outputStates(t.Context(), ask(logs.OutputState{Name: "e", Bytes: 3 << 20, Max: 1 << 30, Sent: 7, Dropped: 5, Refused: 2, Error: "connection refused", Since: time.Now()}))[0]
	if bad.Ready || !bad.Optional || bad.Since == "" {
		t.Errorf("away: %+v", bad)
	}
	for _, want := range []string{"3.0 MiB of lines wait, 1024.0 MiB may: connection refused", "5 lines dropped", "2 lines refused"} {
		if !strings.Contains(bad.Message, want) {
			t.Errorf("away: %s, want %s", bad.Message, want)
		}
	}
	none := outputStates(t.Context(), func(context.Context) ([]logs.OutputState, error) { return nil, errors.New("away") })
	if len(none) != 0 {
		t.Errorf("child away: %+v", none)
	}
}

func TestElsewhereState(t *testing.T) {
	for name, tc := range map[string]struct {
		state *metrics.ElsewhereState
		ready bool
		want  string
	}{
		"answers":   {&metrics.ElsewhereState{URL: "https://p.example", Asked: time.Now()}, true, "queries are answered by https://p.example"},
		"not asked": {&metrics.ElsewhereState{URL: "https://p.example"}, false, "asking https://p.example"},
		"away":      {&metrics.ElsewhereState{URL: "https://p.example", Asked: time.Now(), Since: time.Now(), Problem: "the Prometheus at https://p.example does not answer: connection refused"}, false, "connection refused; charts and queries have no answer until it does, alerts and autoscaling go on"},
	} {
		c := elsewhereState(t.Context(), func(context.Context) (*metrics.ElsewhereState, error) { return tc.state, nil })
		if len(c) != 1 || c[0].Ready != tc.ready || !c[0].Optional || !strings.Contains(c[0].Message, tc.want) || (c[0].Since != "") != (tc.state.Problem != "") {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c := elsewhereState(t.Context(), func(context.Context) (*metrics.ElsewhereState, error) { return nil, nil }); len(c) != 0 {
		t.Errorf("the embedded one: %+v", c)
	}
}
