package elastic

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// calendar are the units of calendar_interval with what LogsQL calls them.
var calendar = map[string]struct {
	step string
	unit byte
}{
	"1s": {"1s", 's'}, "second": {"1s", 's'}, "1m": {"1m", 'm'}, "minute": {"1m", 'm'}, "1h": {"1h", 'h'}, "hour": {"1h", 'h'},
	"1d": {"1d", 'd'}, "day": {"1d", 'd'}, "1w": {"week", 'w'}, "week": {"week", 'w'}, "1M": {"month", 'M'}, "month": {"month", 'M'},
	"1y": {"year", 'y'}, "year": {"year", 'y'},
}

// isoDate is how the values of a field are written that a histogram of times can be of.
const isoDate = `^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$`

// readDateHistogram reads a histogram over the time of the rows, or over a field of dates.
func readDateHistogram(c *compiler, a *agg, o *object) error {
	f, err := fieldArg(c, o)
	if err != nil {
		return err
	}
	o.ignore("keyed", "order", "missing")
	k := &groupKey{field: f, histogram: true, format: o.str("format", ""), minCount: o.num("min_doc_count", 0)}
	if k.zone, err = zoneOf(o.str("time_zone", "")); err != nil {
		return err
	}
	fixed, cal := o.str("fixed_interval", ""), o.str("calendar_interval", "")
	if old := o.str("interval", ""); old != "" {
		if _, ok := calendar[old]; ok {
			cal = old
		} else {
			fixed = old
		}
	}
	// A zone's offset may change within a range; what it is at present is taken.
	_, zone := c.now.In(k.zone).Zone()
	shift := time.Duration(zone) * time.Second
	step := ""
	if unit, ok := calendar[cal]; ok {
		step = unit.step
		k.next = func(t time.Time) time.Time { return addUnit(t.In(k.zone), 1, unit.unit) }
		k.floor = func(t time.Time) time.Time { return floor(t.In(k.zone), unit.unit) }
	} else if cal != "" {
		return unsupported("[date_histogram] calendar_interval [%.60s]", cal)
	} else {
		d, err := fixedInterval(fixed)
		if err != nil {
			return err
		}
		step, shift = strconv.FormatInt(d.Milliseconds(), 10)+"ms", shift%d
		k.next = func(t time.Time) time.Time { return t.Add(d) }
		k.floor = func(t time.Time) time.Time {
			n := t.UnixNano() - int64(shift)
			return time.Unix(0, n-((n%int64(d))+int64(d))%int64(d)+int64(shift))
		}
	}
	offset, err := signedInterval(o.str("offset", ""))
	if err != nil {
		return err
	}
	if offset != 0 && cal != "" {
		return unsupported("[date_histogram] offset with a calendar_interval")
	}
	column := "_time"
	if f.name != column {
		// Formatted, the values are texts in every block, and one time has one text as its bucket.
		column = "__date" + itoa(c.clauses)
		k.column, k.prepare = column, fmt.Sprintf("copy %s as %s | format \"<%s>\" as %s", logs.Quote(f.name), column, column, column)
	}
	k.by = column + ":" + step
	if shift = offset - shift; shift != 0 {
		// The store's offset is what it takes off before it rounds.
		k.by += fmt.Sprintf(" offset %dms", -shift.Milliseconds())
	}
	if k.format, err = javaFormat(k.format); err != nil {
		return err
	}
	for _, name := range []string{"extended_bounds", "hard_bounds"} {
		v := o.take(name)
		if v == nil {
			continue
		}
		if name == "hard_bounds" {
			return unsupported("[date_histogram] hard_bounds")
		}
		in := asObject(name, v)
		min, errMin := date(in.take("min"), "epoch_millis", c.now, k.zone, false)
		max, errMax := date(in.take("max"), "epoch_millis", c.now, k.zone, true)
		if err := firstOf(errMin, errMax, in.done()); err != nil {
			return err
		}
		k.bounds = &[2]time.Time{min, max}
	}
	a.key = k
	return nil
}

// javaFormat turns a pattern of dates into Go's; epoch_millis and epoch_second stay.
func javaFormat(s string) (string, error) {
	switch s {
	case "", "strict_date_optional_time", "date_time", "strict_date_time", "strict_date_optional_time||epoch_millis":
		return "2006-01-02T15:04:05.000Z07:00", nil
	case "epoch_millis", "epoch_second":
		return s, nil
	}
	layout := strings.NewReplacer("yyyy", "2006", "uuuu", "2006", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05", "SSS", "000",
		"XXX", "Z07:00", "XX", "Z0700", "'T'", "T", "'Z'", "Z").Replace(s)
	if strings.ContainsAny(layout, "ABCDEFGHIJKLMNOPQRSUVWXYabcdefghijklmnopqrstuvwxyz'") || len(layout) > 60 {
		return "", unsupported("date format [%.60s]", s)
	}
	return layout, nil
}

// fixedInterval reads 30s, 5m, 1500ms and their kind.
func fixedInterval(s string) (time.Duration, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	unit, ok := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[s[len(digits):]]
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || n > 1e9 || time.Duration(n)*unit/unit != time.Duration(n) {
		return 0, illegal("Invalid interval specified, must be non-null and like 30s: [%.60s]", s)
	}
	return time.Duration(n) * unit, nil
}

func signedInterval(s string) (time.Duration, error) {
	if s == "" || s == "0" || s == "+0" {
		return 0, nil
	}
	rest, minus := strings.CutPrefix(s, "-")
	d, err := fixedInterval(strings.TrimPrefix(rest, "+"))
	if minus {
		d = -d
	}
	return d, err
}

// readHistogram reads one over numbers.
func readHistogram(c *compiler, a *agg, o *object) error {
	f, err := fieldArg(c, o)
	if err != nil {
		return err
	}
	o.ignore("keyed", "order", "extended_bounds")
	interval, ok := number(o.take("interval"))
	if !ok || interval <= 0 {
		return illegal("[interval] must be >0 for histogram aggregation [%s]", a.name)
	}
	a.key = &groupKey{
		field: f, histogram: true, interval: interval, minCount: o.num("min_doc_count", 0),
		by: fmt.Sprintf("%s:%s", logs.Quote(f.name), strconv.FormatFloat(interval, 'f', -1, 64)),
	}
	return nil
}
