// Package selectors owns the narrowing of PromQL: a query is rewritten so that each of its
// selectors, wherever it stands, has one matcher more. It never evaluates a query.
//
// Start at Narrow; origin.go tells Slipway's own series from everybody's.
package selectors

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Narrow adds a matcher to each selector of a query.
func Narrow(p parser.Parser, query string, only *labels.Matcher) (string, error) {
	return narrow(p, query, only, func([]*labels.Matcher) bool { return false })
}

// narrow leaves those selectors alone that are exempt.
func narrow(p parser.Parser, query string, only *labels.Matcher, exempt func([]*labels.Matcher) bool) (string, error) {
	expr, err := p.ParseExpr(query)
	if err != nil {
		return "", err
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok && !exempt(v.LabelMatchers) {
			v.LabelMatchers = append(v.LabelMatchers, only)
		}
		return nil
	})
	text := expr.String()
	// What is printed must mean what was built.
	again, err := p.ParseExpr(text)
	if err != nil {
		return "", fmt.Errorf("query %s: cannot be narrowed to %s: %w", query, only, err)
	}
	var open error
	parser.Inspect(again, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok && !exempt(v.LabelMatchers) && !Has(v.LabelMatchers, only) {
			open = fmt.Errorf("query %s: cannot be narrowed to %s", query, only)
		}
		return nil
	})
	return text, open
}

// Has says whether a matcher is among those of a selector.
func Has(ms []*labels.Matcher, only *labels.Matcher) bool {
	return slices.ContainsFunc(ms, func(m *labels.Matcher) bool {
		return m.Name == only.Name && m.Type == only.Type && m.Value == only.Value
	})
}
