package selectors

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// OriginLabel says of a series that is not of Slipway's own targets and rules where it comes
// from: the namespace whose object has it scraped or recorded, or Written. Only what is in no
// namespace's hands is without it, whatever a series is called and whatever its job is: what
// ships reads series without it. A Prometheus elsewhere has the label nowhere, and there what
// ships reads all.
const OriginLabel = "slipway_source"

// Written is the origin of series that another Prometheus wrote in; no namespace has the name.
const Written = "remote_write"

// Mine selects Slipway's own series.
const Mine = OriginLabel + `=""`

// Own narrows a query to Slipway's own series. A selector that names the label itself says
// whose series it means.
func Own(p parser.Parser, query string) (string, error) {
	return narrow(p, query, labels.MustNewMatcher(labels.MatchEqual, OriginLabel, ""), func(ms []*labels.Matcher) bool {
		return slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return m.Name == OriginLabel })
	})
}

// labelValues is a query of Grafana's for the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.+), *([a-zA-Z_][a-zA-Z0-9_]*)\)$`)

// spans are Grafana's variables that stand for a duration, and durations in whose place
// nobody writes anything else.
var spans = [][2]string{{"$__rate_interval", "11h11m11s"}, {"$__interval", "11h11m12s"}, {"$__range", "11h11m13s"}}

// OwnPanel is Own for a query of a dashboard, which may have variables in texts and for
// durations, and may ask for the values of a label.
func OwnPanel(p parser.Parser, query string) (string, error) {
	if parts := labelValues.FindStringSubmatch(query); parts != nil {
		series, err := OwnPanel(p, parts[1])
		return fmt.Sprintf("label_values(%s, %s)", series, parts[2]), err
	}
	for _, s := range spans {
		query = strings.ReplaceAll(query, s[0], s[1])
	}
	text, err := Own(p, query)
	for _, s := range spans {
		text = strings.ReplaceAll(text, s[1], s[0])
	}
	return text, err
}
