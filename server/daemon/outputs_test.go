package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway.dev/observability/logs"
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
