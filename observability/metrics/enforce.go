package metrics

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"slipway.dev/observability/selectors"
)

// Enforce rewrites a query so that each of its selectors, wherever it stands, reads series
// of one namespace only. It is for queries that are kept and evaluated later, when there
// is no request whose scope would narrow them.
func Enforce(p parser.Parser, query, namespace string) (string, error) {
	only, err := labels.NewMatcher(labels.MatchEqual, NamespaceLabel, namespace)
	if err != nil {
		return "", err
	}
	return selectors.Narrow(p, query, only)
}
