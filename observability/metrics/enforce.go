package metrics

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Enforce rewrites a query so that each of its selectors, wherever it stands, reads series
// of one namespace only. It is for queries that are kept and evaluated later, when there
// is no request whose scope would narrow them.
func Enforce(p parser.Parser, query, namespace string) (string, error) {
	expr, err := p.ParseExpr(query)
	if err != nil {
		return "", err
	}
	only, err := labels.NewMatcher(labels.MatchEqual, NamespaceLabel, namespace)
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
		return "", fmt.Errorf("query %s: cannot be narrowed to namespace %s: %w", query, namespace, err)
	}
	var open error
	parser.Inspect(again, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, m := range v.LabelMatchers {
			if m.Name == NamespaceLabel && m.Type == labels.MatchEqual && m.Value == namespace {
				return nil
			}
		}
		open = fmt.Errorf("query %s: cannot be narrowed to namespace %s", query, namespace)
		return nil
	})
	return text, open
}
