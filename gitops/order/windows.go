package order

import (
	"fmt"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/cron"
)

const (
	shortestWindow = time.Minute
	longestWindow  = 31 * 24 * time.Hour
	// maxSteps bounds the search for the time at which windows open.
	maxSteps = 400
)

// Windows are the windows of one application, parsed.
type Windows []window

type window struct {
	v1alpha1.Window
	line *cron.Line
}

// Parse reads windows and names the one that means nothing.
func Parse(list []v1alpha1.Window) (Windows, error) {
	out := make(Windows, 0, len(list))
	for i, w := range list {
		if w.Kind != v1alpha1.WindowAllow && w.Kind != v1alpha1.WindowDeny {
			return nil, fmt.Errorf("window %d: kind %q is not known; use allow or deny", i+1, w.Kind)
		}
		line, err := cron.Parse(w.Schedule, w.TimeZone)
		if err != nil {
			return nil, fmt.Errorf("window %d: %w", i+1, err)
		}
		if d := w.Duration.Duration; d < shortestWindow || d > longestWindow {
			return nil, fmt.Errorf("window %d: duration %s: want a minute to 31 days", i+1, d)
		}
		out = append(out, window{w, line})
	}
	return out, nil
}

// active says whether t is within the window, and when that ends.
func (w window) active(t time.Time) (end time.Time, ok bool) {
	d := w.Duration.Duration
	began := w.line.Latest(t.Add(-d), t)
	if began.IsZero() || !began.Add(d).After(t) {
		return time.Time{}, false
	}
	return began.Add(d), true
}

// Closed says why a release may not begin at t, and until when; "" where it may, and a
// zero time where no end is in sight. A manual one passes where every deny window in
// the way has manual set, or, outside of all allow windows, one of those has.
func (ws Windows) Closed(t time.Time, manual bool) (why string, until time.Time) {
	if why = ws.closed(t, manual); why == "" {
		return "", time.Time{}
	}
	at := t
	for range maxSteps {
		if at = ws.next(at); at.IsZero() {
			return why, at
		}
		if ws.closed(at, manual) == "" {
			return why, at
		}
	}
	return why, time.Time{}
}

func (ws Windows) closed(t time.Time, manual bool) string {
	allows, within, lenient := 0, false, false
	for _, w := range ws {
		_, active := w.active(t)
		switch {
		case w.Kind == v1alpha1.WindowDeny && active && !(manual && w.Manual):
			return fmt.Sprintf("a deny window (%s for %s) is open", w.Schedule, w.Duration.Duration)
		case w.Kind == v1alpha1.WindowAllow:
			allows++
			within = within || active
			lenient = lenient || w.Manual
		}
	}
	if allows == 0 || within || manual && lenient {
		return ""
	}
	return "no allow window is open"
}

// next time after t at which a window begins or ends.
func (ws Windows) next(t time.Time) time.Time {
	var first time.Time
	consider := func(at time.Time) {
		if at.After(t) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, w := range ws {
		if end, ok := w.active(t); ok {
			consider(end)
		}
		consider(w.line.Next(t))
	}
	return first
}
