package elastic

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// dateForms is how the forms of a date go from exact to coarse; a coarse one stands for its
// whole span when it is rounded up.
var dateForms = []struct {
	form  string
	round func(time.Time) time.Time
}{
	{"2006-01-02T15:04:05.999999999Z07:00", nil},
	{"2006-01-02T15:04:05.999999999", nil},
	{"2006-01-02 15:04:05.999999999", nil},
	{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15", func(t time.Time) time.Time { return t.Add(time.Hour) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
}

// date reads a point in time as Elasticsearch does: milliseconds since 1970, a date, or
// date math such as now-15m/m. With up, what is rounded stands for its last nanosecond.
func date(v any, format string, now time.Time, zone *time.Location, up bool) (time.Time, error) {
	s, ok := text(v)
	if !ok {
		return time.Time{}, parsing("date %v: want a string or a number", v)
	}
	if format != "" && !strings.Contains(format, "epoch") && !strings.Contains(format, "date") {
		return time.Time{}, unsupported("date format [%s]; known: strict_date_optional_time, epoch_millis, epoch_second", format)
	}
	unit := time.Millisecond
	if format == "epoch_second" {
		unit = time.Second
	}
	if _, number := v.(json.Number); number || format == "epoch_second" || strings.HasSuffix(format, "epoch_millis") {
		if n, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(n)*float64(unit) < 9e18 {
			return time.Unix(0, 0).UTC().Add(spread(n, unit)), nil
		}
	}
	at, rest := now, ""
	if after, ok := strings.CutPrefix(s, "now"); ok {
		rest = after
	} else {
		var base string
		base, rest, _ = strings.Cut(s, "||")
		t, err := plainDate(base, zone, up && rest == "")
		if err != nil {
			return at, err
		}
		at = t
	}
	return dateMath(at, rest, zone, up)
}

// spread multiplies without a float's loss in the whole part.
func spread(n float64, unit time.Duration) time.Duration {
	whole := int64(n)
	return time.Duration(whole)*unit + time.Duration((n-float64(whole))*float64(unit))
}

func plainDate(s string, zone *time.Location, up bool) (time.Time, error) {
	for _, f := range dateForms {
		if t, err := time.ParseInLocation(f.form, s, zone); err == nil {
			if up && f.round != nil {
				t = f.round(t).Add(-1)
			}
			return t, nil
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) > 4 && len(s) < 16 {
		return time.UnixMilli(n), nil
	}
	return time.Time{}, parsing("failed to parse date field [%.60s] with format [strict_date_optional_time||epoch_millis]", s)
}

// dateMath applies +1d, -2h and /m.
func dateMath(t time.Time, rest string, zone *time.Location, up bool) (time.Time, error) {
	whole := rest
	for rest != "" {
		op := rest[0]
		rest = rest[1:]
		n := 1
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		if digits > 0 && digits < 7 {
			n, _ = strconv.Atoi(rest[:digits])
		}
		if rest = rest[digits:]; rest == "" || (op == '/' && digits > 0) || digits >= 7 {
			return t, parsing("date math [%.60s] cannot be read", whole)
		}
		unit := rest[0]
		rest = rest[1:]
		switch {
		case op == '+':
			t = addUnit(t, n, unit)
		case op == '-':
			t = addUnit(t, -n, unit)
		case op == '/':
			if t = floor(t.In(zone), unit); up && !t.IsZero() {
				t = addUnit(t, 1, unit).Add(-1)
			}
		default:
			t = time.Time{}
		}
		if t.IsZero() {
			return t, parsing("date math [%.60s] cannot be read", whole)
		}
	}
	return t, nil
}

func addUnit(t time.Time, n int, unit byte) time.Time {
	switch unit {
	case 's':
		return t.Add(time.Duration(n) * time.Second)
	case 'm':
		return t.Add(time.Duration(n) * time.Minute)
	case 'h', 'H':
		return t.Add(time.Duration(n) * time.Hour)
	case 'd':
		return t.AddDate(0, 0, n)
	case 'w':
		return t.AddDate(0, 0, 7*n)
	case 'M':
		return t.AddDate(0, n, 0)
	case 'y':
		return t.AddDate(n, 0, 0)
	}
	return time.Time{}
}

func floor(t time.Time, unit byte) time.Time {
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	switch unit {
	case 's':
		return time.Date(y, mo, d, h, mi, s, 0, t.Location())
	case 'm':
		return time.Date(y, mo, d, h, mi, 0, 0, t.Location())
	case 'h', 'H':
		return time.Date(y, mo, d, h, 0, 0, 0, t.Location())
	case 'd':
		return time.Date(y, mo, d, 0, 0, 0, 0, t.Location())
	case 'w':
		return time.Date(y, mo, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, t.Location())
	case 'M':
		return time.Date(y, mo, 1, 0, 0, 0, 0, t.Location())
	case 'y':
		return time.Date(y, 1, 1, 0, 0, 0, 0, t.Location())
	}
	return time.Time{}
}

// zoneOf reads a time_zone: UTC, an offset, or a name of the zone database.
func zoneOf(s string) (*time.Location, error) {
	switch s {
	case "", "UTC", "Z", "utc":
		return time.UTC, nil
	}
	if t, err := time.Parse("-07:00", s); err == nil {
		_, seconds := t.Zone()
		return time.FixedZone(s, seconds), nil
	}
	if len(s) < 64 && !strings.Contains(s, "..") && s != "Local" {
		if z, err := time.LoadLocation(s); err == nil {
			return z, nil
		}
	}
	return nil, illegal("time zone [%.60s] is not known", s)
}
