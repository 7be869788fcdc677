package cli

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// span is the value of a flag that says how long: 90m, 1.5h, and days and weeks as 7d and 2w.
type span struct{ to *time.Duration }

// String is the duration as Prometheus writes it, where it can.
func (s span) String() string {
	if s.to == nil || *s.to == 0 {
		return "0s" // what pflag takes for no default
	}
	if *s.to%time.Millisecond != 0 {
		return s.to.String()
	}
	return model.Duration(*s.to).String()
}

// Set reads one.
func (s span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		long, other := model.ParseDuration(text)
		if other != nil {
			return fmt.Errorf("%q: write a number and a unit, such as 30m, 2h or 7d", text)
		}
		d = time.Duration(long)
	}
	*s.to = d
	return nil
}

// Type is what the help calls the value.
func (span) Type() string { return "duration" }
