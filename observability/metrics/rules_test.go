package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"

	"slipway.dev/observability/selectors"
)

// ruleCase is a file of testdata/rules, in the words of promtool's tests of rules: series,
// and what fires at a time.
type ruleCase struct {
	Name   string
	Load   string        // for promqltest, such as `load 30s\n  up 0x20`
	At     time.Duration // when the alerts are looked at
	Alerts []string      // label sets that fire, without those that are not named
	Quiet  []string      // alerts that must not be there
	Values map[string]float64
}

func ruleCases(t *testing.T) (all []ruleCase) {
	t.Helper()
	files, err := filepath.Glob("testdata/rules/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no tests of rules", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []ruleCase
		if err := yaml.UnmarshalWithOptions(text, &cases, yaml.Strict()); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, cases...)
	}
	return all
}

func TestShippedRules(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range ruleCases(t) {
		t.Run(c.Name, func(t *testing.T) { c.run(t, tested) })
	}
	book, err := newRuleBook(parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for name, groups := range book.files {
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				if r.Alert == "" {
					continue
				}
				if !tested[r.Alert] {
					t.Errorf("%s: %s: no test makes it fire", name, r.Alert)
				}
				if r.Annotations["summary"] == "" || !slices.Contains([]string{"info", "warning", "critical"}, r.Labels["severity"]) {
					t.Errorf("%s: %s: wants a summary and a severity", name, r.Alert)
				}
			}
		}
	}
}

func (c ruleCase) run(t *testing.T, tested map[string]bool) {
	storage := promqltest.LoadedStorage(t, c.Load)
	engine := promqltest.NewTestEngine(t, false, lookback, 1e6)
	p := parser.NewParser(parser.Options{})
	book, err := newRuleBook(p, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(engine, storage), NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Context: t.Context(),
		AppendableV2: storage, Queryable: storage, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), GroupLoader: book, Parser: p,
	})
	loaded, errs := m.LoadGroups(ruleInterval, labels.EmptyLabels(), "", nil, false, book.replace(nil)...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	groups := make([]*rules.Group, 0, len(loaded))
	for _, g := range loaded {
		groups = append(groups, g)
	}
	// Recording rules first: alerts read what they record at the same time.
	slices.SortFunc(groups, func(a, b *rules.Group) int {
		return strings.Compare(fmt.Sprint(strings.HasSuffix(a.Name(), "-alerts"), a.Name()), fmt.Sprint(strings.HasSuffix(b.Name(), "-alerts"), b.Name()))
	})
	for at := time.Duration(0); at <= c.At; at += ruleInterval {
		for _, g := range groups {
			g.Eval(t.Context(), time.Unix(0, 0).Add(at))
		}
	}
	var firing []string
	for _, g := range groups {
		for _, r := range g.Rules() {
			if r.LastError() != nil {
				t.Errorf("%s: %v", r.Name(), r.LastError())
			}
			a, ok := r.(*rules.AlertingRule)
			if !ok {
				continue
			}
			for _, active := range a.ActiveAlerts() {
				if active.State == rules.StateFiring {
					firing = append(firing, active.Labels.String())
				}
			}
		}
	}
	wanted := func(f, want string) bool {
		name, ls, _ := strings.Cut(strings.TrimSuffix(want, "}"), "{")
		if !strings.Contains(f, `alertname="`+name+`"`) {
			return false
		}
		for l := range strings.SplitSeq(ls, ", ") {
			if !strings.Contains(f, l) {
				return false
			}
		}
		return true
	}
	for _, want := range c.Alerts {
		name, _, _ := strings.Cut(want, "{")
		tested[name] = true
		if !slices.ContainsFunc(firing, func(f string) bool { return wanted(f, want) }) {
			t.Errorf("%s does not fire; there are %s", want, firing)
		}
		for _, f := range firing {
			if wanted(f, name) && !strings.Contains(f, selectors.OriginLabel) && !slices.ContainsFunc(c.Alerts, func(w string) bool { return wanted(f, w) }) {
				t.Errorf("%s fires besides", f)
			}
		}
	}
	for _, f := range firing {
		for _, q := range c.Quiet {
			if strings.Contains(f, `alertname="`+q+`"`) && !strings.Contains(f, selectors.OriginLabel) {
				t.Errorf("%s fires: %s", q, f)
			}
		}
	}
	for q, want := range c.Values {
		query, err := engine.NewInstantQuery(t.Context(), storage, nil, q, time.Unix(0, 0).Add(c.At))
		if err != nil {
			t.Fatal(err)
		}
		v, err := query.Exec(t.Context()).Vector()
		if err != nil || len(v) != 1 || v[0].F < want-0.001 || v[0].F > want+0.001 {
			t.Errorf("%s: %v %v, want %v", q, v, err, want)
		}
		query.Close()
	}
}
