package cli

import (
	"testing"
	"time"
)

func TestSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7d": 168 * time.Hour, "2w": 336 * time.Hour, "90m": 90 * time.Minute, "1.5h": 90 * time.Minute, "1h30m": 90 * time.Minute, "0": 0, "1d12h": 36 * time.Hour,
		"x": -1, "": -1, "7": -1, "-": -1,
	} {
		var d time.Duration
		if err := (span{&d}).Set(text); (err != nil) != (want < 0) || err == nil && d != want {
			t.Errorf("%q: %v %v, want %v", text, d, err, want)
		}
	}
	for d, want := range map[time.Duration]string{90 * 24 * time.Hour: "90d", time.Hour: "1h", 90 * time.Minute: "1h30m", 0: "0s"} {
		if got := (span{&d}).String(); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
