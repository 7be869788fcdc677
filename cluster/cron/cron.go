// Package cron owns what a cron line in a time zone means: five fields, and days on
// which clocks change. It never starts anything; schedules of pipelines and windows of
// applications do. Start at Parse.
package cron

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"
	_ "time/tzdata" // machines without zoneinfo know the zones too

	robfig "github.com/robfig/cron/v3"

	"slipway.dev/cluster/text"
)

var parser = robfig.NewParser(robfig.Minute | robfig.Hour | robfig.Dom | robfig.Month | robfig.Dow)

// Line is a parsed cron line in a time zone.
type Line struct {
	spec *robfig.SpecSchedule
	zone *time.Location
	// hourly: it does not say at which hour, so it goes by elapsed time.
	hourly bool
}

// maxCron bounds a line.
const maxCron = 200

// Parse a line of five fields and the name of a time zone (empty: UTC).
func Parse(line, zone string) (*Line, error) {
	line = strings.TrimSpace(line)
	if len(line) > maxCron || len(strings.Fields(line)) != 5 || strings.Contains(line, "=") || strings.HasPrefix(line, "@") {
		return nil, fmt.Errorf("cron %q: want five fields: minute, hour, day of month, month, day of week; such as 30 2 * * 1-5", clip(line))
	}
	s, err := parser.Parse(line)
	if err != nil {
		return nil, fmt.Errorf("cron %q: %w", line, err)
	}
	spec, ok := s.(*robfig.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("cron %q: want five fields", line)
	}
	if zone == "" {
		zone = "UTC"
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fmt.Errorf("time zone %q: not known; give an IANA name such as Europe/Berlin", clip(zone))
	}
	c := &Line{spec: spec, zone: loc, hourly: bits.OnesCount64(spec.Hour&(1<<24-1)) == 24}
	if c.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("cron %q: %w", line, errNever)
	}
	return c, nil
}

var errNever = errors.New("there is no such day within five years")

func clip(s string) string { return text.Clip(s, 60) }

// Next time after t, zero if there is none within five years. Where the clock is put
// forward, what falls into the gap is due at its end; where it is put back, what names
// an hour is due once, the first time. A line for every hour knows no such days.
func (c *Line) Next(t time.Time) time.Time {
	if c.hourly {
		s := *c.spec
		s.Location = c.zone
		return s.Next(t.In(c.zone))
	}
	s := *c.spec
	s.Location = time.UTC
	w := t.In(c.zone)
	wall := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, time.UTC)
	// One step back, so that what lies in a gap that just ended is seen.
	wall = wall.Add(-3 * time.Hour)
	for range 10_000 {
		if wall = s.Next(wall); wall.IsZero() {
			return wall
		}
		if at := c.instant(wall); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// instant at which clocks of the zone first show wall, or would have.
func (c *Line) instant(wall time.Time) time.Time {
	var first time.Time
	_, before := wall.Add(-26 * time.Hour).In(c.zone).Zone()
	_, after := wall.Add(26 * time.Hour).In(c.zone).Zone()
	for _, offset := range []int{before, after} {
		at := wall.Add(-time.Duration(offset) * time.Second).In(c.zone)
		shows := at.Hour() == wall.Hour() && at.Minute() == wall.Minute() && at.Day() == wall.Day()
		if shows && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() {
		first, _ = wall.Add(-time.Duration(before) * time.Second).In(c.zone).ZoneBounds()
	}
	return first
}

// Latest time that is not after now, and not before from; zero if there is none.
func (c *Line) Latest(from, now time.Time) time.Time {
	var latest time.Time
	for _, back := range []time.Duration{time.Hour, 24 * time.Hour, 32 * 24 * time.Hour, 6 * 366 * 24 * time.Hour} {
		start := now.Add(-back)
		if start.Before(from) {
			start = from.Add(-time.Second)
		}
		for at := c.Next(start); !at.IsZero() && !at.After(now); at = c.Next(at) {
			latest = at
		}
		if !latest.IsZero() || start.Before(from) {
			return latest
		}
	}
	return latest
}
