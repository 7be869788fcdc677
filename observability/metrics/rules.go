package metrics

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"

	"slipway.dev/observability/selectors"
)

// shipped are the rules of every cluster; a file of groups each, in Prometheus' form.
//
//go:embed rules/*.yaml
var shipped embed.FS

// ruleInterval between two evaluations of a group that does not say.
const ruleInterval = 30 * time.Second

// shippedPrefix begins the name of a shipped file; those of users begin with a namespace.
const shippedPrefix = "slipway/"

// ruleBook holds the groups of rules by the name of what they come from, and hands them
// to Prometheus' manager as if they were files.
type ruleBook struct {
	mu     sync.Mutex
	parser parser.Parser
	files  map[string]*rulefmt.RuleGroups
}

func newRuleBook(p parser.Parser, log *slog.Logger) (*ruleBook, error) {
	b := &ruleBook{parser: p, files: map[string]*rulefmt.RuleGroups{}}
	names, err := fs.Glob(shipped, "rules/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := shipped.ReadFile(name)
		if err != nil {
			return nil, err
		}
		groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, p, log)
		if len(errs) > 0 {
			return nil, fmt.Errorf("rules %s: %w", name, errors.Join(errs...))
		}
		if err := readOwn(groups, p); err != nil {
			return nil, fmt.Errorf("rules %s: %w", name, err)
		}
		b.files[shippedPrefix+path.Base(name)] = groups
	}
	return b, nil
}

// readOwn has rules read Slipway's own series: a series of anybody else may have any name and
// any job, and would fire them, or keep them from it.
func readOwn(groups *rulefmt.RuleGroups, p parser.Parser) error {
	for _, g := range groups.Groups {
		for i := range g.Rules {
			own, err := selectors.Own(p, g.Rules[i].Expr)
			if err != nil {
				return err
			}
			g.Rules[i].Expr = own
		}
	}
	return nil
}

// sign writes on all that rules record and fire which namespace's they are, over what they
// say themselves.
func sign(groups *rulefmt.RuleGroups, namespace string) {
	for gi := range groups.Groups {
		g := &groups.Groups[gi]
		for i := range g.Rules {
			labels := maps.Clone(g.Rules[i].Labels)
			if labels == nil {
				labels = map[string]string{}
			}
			labels[selectors.OriginLabel] = namespace
			g.Rules[i].Labels = labels
		}
	}
}

// Load implements rules.GroupLoader.
func (b *ruleBook) Load(name string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.files[name]; g != nil {
		return g, nil
	}
	return nil, []error{fmt.Errorf("rules %s: gone", name)}
}

// Parse implements rules.GroupLoader.
func (b *ruleBook) Parse(query string) (parser.Expr, error) { return b.parser.ParseExpr(query) }

// replace puts users' groups in place of all that users had, and says the names of all.
func (b *ruleBook) replace(users map[string]*rulefmt.RuleGroups) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.files, func(name string, _ *rulefmt.RuleGroups) bool { return !strings.HasPrefix(name, shippedPrefix) })
	maps.Copy(b.files, users)
	return slices.Sorted(maps.Keys(b.files))
}

// newRules makes the manager; what fires goes to notify.
func (m *Metrics) newRules(ctx context.Context, engine *promql.Engine, p parser.Parser, notify rules.NotifyFunc, reg prometheus.Registerer) (err error) {
	if m.book, err = newRuleBook(p, m.log); err != nil {
		return err
	}
	if notify == nil {
		notify = func(context.Context, string, ...*rules.Alert) {}
	}
	m.rules = rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(engine, m.db), NotifyFunc: notify, Context: ctx, AppendableV2: m.within(), Queryable: m.db,
		Logger: m.log, Registerer: reg, OutageTolerance: time.Hour, ForGracePeriod: 10 * time.Minute, ResendDelay: time.Minute,
		GroupLoader: m.book, Parser: p, DefaultRuleQueryOffset: func() time.Duration { return 0 },
	})
	return m.UseRules(nil)
}

// UseRules evaluates users' groups, by the name of what they come from
// (<namespace>/<name>), besides the shipped ones.
func (m *Metrics) UseRules(users map[string]*rulefmt.RuleGroups) error {
	for name, groups := range users {
		namespace, _, _ := strings.Cut(name, "/")
		sign(groups, namespace)
	}
	return m.rules.Update(ruleInterval, m.book.replace(users), labels.EmptyLabels(), m.opts.URL, nil)
}

// rulesOf are the manager's in a scope: the groups that come from a namespace which is seen.
type rulesOf struct {
	*rules.Manager
	scope Scope
}

func (r rulesOf) RuleGroups() []*rules.Group {
	return slices.DeleteFunc(r.Manager.RuleGroups(), func(g *rules.Group) bool {
		namespace, _, _ := strings.Cut(g.File(), "/")
		return !r.scope.All && !slices.Contains(r.scope.Namespaces, namespace)
	})
}

func (r rulesOf) AlertingRules() []*rules.AlertingRule {
	var out []*rules.AlertingRule
	for _, g := range r.RuleGroups() {
		for _, rule := range g.Rules() {
			if a, ok := rule.(*rules.AlertingRule); ok {
				out = append(out, a)
			}
		}
	}
	return out
}
