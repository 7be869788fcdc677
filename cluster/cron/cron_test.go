package cron

import (
	"strings"
	"testing"
	"time"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestNext has the days on which clocks change; 2026-03-29 and 2026-10-25 in Berlin,
// 2026-03-08 in New York, 2026-04-05 on Lord Howe (by half an hour).
func TestNext(t *testing.T) {
	for _, tt := range []struct{ name, line, zone, from, want string }{
		{"plain", "30 2 * * *", "UTC", "2026-03-01T00:00:00Z", "2026-03-01T02:30:00Z 2026-03-02T02:30:00Z"},
		{"gap is due at its end", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z"},
		{"gap in New York", "15 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z 2026-03-09T06:15:00Z"},
		{"twice is once", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
		{"asked in the second pass", "30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"},
		{"hourly goes on in both passes", "30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z"},
		{"hourly over the gap", "30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", "2026-03-29T00:30:00Z 2026-03-29T01:30:00Z"},
		{"two in one gap are one", "10,40 2 * * *", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:10:00Z"},
		{"half an hour back", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z 2026-04-05T15:15:00Z"},
		{"weekday by the zone", "0 0 * * 1", "Asia/Tokyo", "2026-11-20T00:00:00Z", "2026-11-22T15:00:00Z"},
		{"leap day", "0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse(tt.line, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			now := at(t, tt.from)
			for _, want := range strings.Fields(tt.want) {
				got := c.Next(now)
				if !got.Equal(at(t, want)) {
					t.Fatalf("after %s comes %s, want %s", now.UTC().Format(time.RFC3339), got.UTC().Format(time.RFC3339), want)
				}
				now = got
			}
		})
	}
}

func TestLatest(t *testing.T) {
	c, err := Parse("*/10 * * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, now, want string }{
		{"2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{"2026-01-01T00:00:00Z", "2026-01-01T00:09:00Z", "2026-01-01T00:00:00Z"},
		{"2025-01-01T00:00:00Z", "2026-01-01T00:19:00Z", "2026-01-01T00:10:00Z"},
	} {
		if got := c.Latest(at(t, tt.from), at(t, tt.now)); !got.Equal(at(t, tt.want)) {
			t.Errorf("%+v: %s", tt, got)
		}
	}
	yearly, err := Parse("0 0 1 1 *", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := yearly.Latest(at(t, "2020-01-01T00:00:00Z"), at(t, "2026-12-01T00:00:00Z")); !got.Equal(at(t, "2026-01-01T00:00:00Z")) {
		t.Errorf("yearly: %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for line, zone := range map[string]string{
		"": "", "* * * *": "", "* * * * * *": "", "@daily": "", "@every 1s": "", "TZ=UTC * * * * *": "", "CRON_TZ=0": "", "60 * * * *": "",
		"0 0 31 2 *": "", "*/0 * * * *": "", "0 1 * * *": "Mars/Base", "0 2 * * *": "../../etc/passwd", "0 3 * * *": "Local",
	} {
		if _, err := Parse(line, zone); err == nil {
			t.Errorf("%q in %q is taken", line, zone)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "30 2 * * 1-5", "*/5 1,2 1 jan sun", "? ? ? ? ?", "TZ=0", "1-0 * * * *"} {
		f.Add(s, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, line, zone string) {
		c, err := Parse(line, zone)
		if err != nil {
			return
		}
		now := time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC)
		for range 3 {
			next := c.Next(now)
			if next.IsZero() {
				return
			}
			if !next.After(now) {
				t.Fatalf("%q in %q: %s does not come after %s", line, zone, next, now)
			}
			now = next
		}
	})
}
