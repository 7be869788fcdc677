package metrics

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Enforce rewrites a query so that each of its selectors, wherever it stands, reads series
// of one namespace only. It is for queries that are kept and evaluated later, when there
// is no request whose scope would narrow them.
func Enforce(p parser.Parser, query, namespace string) (string, error) {
	only, err := labels.NewMatcher(labels.MatchEqual, NamespaceLabel, namespace)
	if err != nil {
		return "", err
	}
	return narrowQuery(p, query, only)
}

// narrowQuery adds a matcher to each selector of a query.
func narrowQuery(p parser.Parser, query string, only *labels.Matcher) (string, error) {
	expr, err := p.ParseExpr(query)
	if err != nil {
		return "", err
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
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
		if v, ok := n.(*parser.VectorSelector); ok && !has(v.LabelMatchers, only) {
			open = fmt.Errorf("query %s: cannot be narrowed to %s", query, only)
		}
		return nil
	})
	return text, open
}

func has(ms []*labels.Matcher, only *labels.Matcher) bool {
	return slices.ContainsFunc(ms, func(m *labels.Matcher) bool {
		return m.Name == only.Name && m.Type == only.Type && m.Value == only.Value
	})
}
