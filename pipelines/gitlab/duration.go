package gitlab

import (
	"fmt"
	"strings"
	"time"
)

const day = 24 * time.Hour

var units = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": day, "day": day, "days": day,
	"w": 7 * day, "wk": 7 * day, "wks": 7 * day, "week": 7 * day, "weeks": 7 * day,
	"mo": 30 * day, "mos": 30 * day, "month": 30 * day, "months": 30 * day,
	"y": 365 * day, "yr": 365 * day, "yrs": 365 * day, "year": 365 * day, "years": 365 * day,
}

// parseDuration reads "1h 30m", "3 hours and 20 minutes", "2h20min"; a number alone
// is seconds.
func parseDuration(s string) (time.Duration, error) {
	const most = 100 * 365 * day
	var total time.Duration
	rest := strings.ToLower(strings.TrimSpace(s))
	if rest == "" {
		return 0, fmt.Errorf("a duration such as 1h 30m is expected")
	}
	for rest != "" {
		var n, scale int64 = 0, 1
		digits, point := 0, false
		for digits < len(rest) && (rest[digits] >= '0' && rest[digits] <= '9' || rest[digits] == '.' && !point) {
			if rest[digits] == '.' {
				point = true
			} else if n = n*10 + int64(rest[digits]-'0'); point {
				scale *= 10
			}
			if digits++; digits > 12 {
				return 0, fmt.Errorf("duration %q: the number is too long", clip(s))
			}
		}
		if digits == 0 || rest[:digits] == "." {
			return 0, fmt.Errorf("duration %q: a number is expected before %q", clip(s), clip(rest))
		}
		rest = strings.TrimLeft(rest[digits:], " ")
		letters := 0
		for letters < len(rest) && rest[letters] >= 'a' && rest[letters] <= 'z' {
			letters++
		}
		unit, ok := units[rest[:letters]]
		if letters == 0 && total == 0 && rest == "" {
			unit, ok = time.Second, true
		}
		if !ok {
			return 0, fmt.Errorf("duration %q: unit %q is not known", clip(s), clip(rest[:letters]))
		}
		if n/scale > int64(most/unit) {
			return 0, fmt.Errorf("duration %q is too long", clip(s))
		}
		total += time.Duration(float64(n) / float64(scale) * float64(unit))
		if total > most {
			return 0, fmt.Errorf("duration %q is too long", clip(s))
		}
		rest = strings.TrimLeft(rest[letters:], " ,")
		if after, ok := strings.CutPrefix(rest, "and "); ok {
			rest = strings.TrimLeft(after, " ")
		}
	}
	return total, nil
}
