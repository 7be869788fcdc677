package run

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestRemembered(t *testing.T) {
	now, fetched, broken := time.Unix(0, 0), 0, error(nil)
	get := Remembered(func(_ context.Context, url string) ([]byte, error) {
		fetched++
		return fmt.Appendf(nil, "%s %d", url, fetched), broken
	}, func() time.Time { return now })
	for _, tt := range []struct {
		after  time.Duration
		url    string
		within time.Duration
		want   string
	}{
		{0, "a", 0, "a 1"},
		{0, "a", time.Hour, "a 2"}, // what was not to be kept is not
		{time.Minute, "a", time.Hour, "a 2"},
		{0, "b", time.Hour, "b 3"},
		{0, "a", time.Minute, "a 4"}, // as old as its reader allows
		{59 * time.Minute, "a", time.Hour, "a 4"},
		{0, "a", 0, "a 5"},
		{time.Minute, "a", time.Hour, "a 6"},
	} {
		now = now.Add(tt.after)
		got, err := get(t.Context(), tt.url, tt.within)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s within %s: %q %v, want %q", tt.url, tt.within, got, err, tt.want)
		}
	}
	broken = errors.New("down")
	if _, err := get(t.Context(), "c", time.Hour); err == nil {
		t.Error("no error")
	}
	broken = nil
	if got, _ := get(t.Context(), "c", time.Hour); string(got) != "c 8" {
		t.Errorf("a failure was kept: %q", got)
	}
}
