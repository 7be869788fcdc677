package monitors

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"slipway.dev/observability/metrics"
)

// maxRules of one object.
const maxRules = 500

// Rules translates a PrometheusRule. The queries of a confined one read series of its
// namespace only, and what it records and what fires carries its name.
func Rules(s Source, spec *monitoring.PrometheusRuleSpec, p parser.Parser, log *slog.Logger) (*rulefmt.RuleGroups, error) {
	text, err := yaml.MarshalWithOptions(spec, yaml.UseJSONMarshaler())
	if err != nil {
		return nil, err
	}
	groups, errs := rulefmt.Parse(text, true, model.UTF8Validation, p, log)
	if len(errs) > 0 {
		return nil, told(errs)
	}
	n := 0
	for gi := range groups.Groups {
		g := &groups.Groups[gi]
		if s.Confined && g.Interval != 0 && g.Interval < model.Duration(fastest) {
			return nil, fmt.Errorf("group %s: interval %s: at least %s", g.Name, g.Interval, fastest)
		}
		if n += len(g.Rules); n > maxRules {
			return nil, fmt.Errorf("more than %d rules; make several objects of them", maxRules)
		}
		if !s.Confined {
			continue
		}
		delete(g.Labels, metrics.NamespaceLabel)
		for ri := range g.Rules {
			r := &g.Rules[ri]
			if r.Expr, err = metrics.Enforce(p, r.Expr, s.Namespace); err != nil {
				return nil, fmt.Errorf("group %s: %w", g.Name, err)
			}
			r.Labels = maps.Clone(r.Labels)
			if r.Labels == nil {
				r.Labels = map[string]string{}
			}
			r.Labels[metrics.NamespaceLabel] = s.Namespace
		}
	}
	return groups, nil
}

// placed is a place in our own text of the rules, which nobody wrote; the one within a query
// is the user's.
var placed = regexp.MustCompile(`^(\d+:\d+: )+`)

func told(errs []error) error {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = placed.ReplaceAllString(err.Error(), "")
	}
	return errors.New(strings.Join(texts, "; "))
}
