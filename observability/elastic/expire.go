package elastic

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// rule is which documents of a namespace a lifecycle is for.
type rule struct {
	// id names the template or the index that brings it.
	id string
	// own are the names and patterns, filter leaves out what a rule before this one has.
	own    []string
	filter expr
	follows
	lifecycle
}

// collected are the data streams that no lifecycle touches: a template is written by who
// may write lines, which is not who may delete what pods and the API server said.
func collected(index string) bool {
	return slices.ContainsFunc(logs.Collected, func(p string) bool { return strings.HasPrefix(index, p) })
}

// rules are the lifecycles of the caller's namespaces in the order in which they count:
// what an index says itself, then templates by priority, then those of old.
func (o *objects) rules(a Access) ([]rule, error) {
	read := func(kind string, each func(record, templateBody)) {
		for _, s := range o.list(a, kind) {
			var b templateBody
			if json.Unmarshal(s.Body, &b) == nil {
				each(s, b)
			}
		}
	}
	components, policies := map[string]templateBody{}, map[string]lifecycle{}
	read(kindComponent, func(s record, b templateBody) { components[s.Name] = b })
	for _, s := range o.list(a, kindPolicy) {
		// One that was kept before such were refused does what can be done.
		policies[s.Name], _ = readPolicy(s.Name, s.Body)
	}
	var all []rule
	var failed error
	add := func(s record, own []string, b templateBody) {
		f, err := b.follows(components)
		failed = cmp.Or(failed, err)
		r := rule{id: s.Namespace + "/" + s.Kind + "/" + s.Name, own: own, follows: f}
		if l, ok := policies[f.policy]; f.policy != "" && ok {
			r.lifecycle = l
		} else if f.policy == "" && f.retention > 0 {
			r.lifecycle = lifecycle{deletes: true, age: f.retention}
		}
		all = append(all, r)
	}
	read(kindIndex, func(s record, b templateBody) {
		if policyIn(b.Settings) != "" {
			add(s, []string{s.Name}, b)
		}
	})
	for _, kind := range []string{kindTemplate, kindLegacy} {
		type entry struct {
			record
			templateBody
		}
		var some []entry
		read(kind, func(s record, b templateBody) { some = append(some, entry{s, b}) })
		slices.SortStableFunc(some, func(x, y entry) int {
			return cmp.Compare(y.Priority+y.Order, x.Priority+x.Order)
		})
		for _, e := range some {
			add(e.record, e.Patterns, e.templateBody)
		}
	}
	var taken []expr
	for _, p := range logs.Collected {
		taken = append(taken, not(oneIndex(p+"*")))
	}
	for i := range all {
		var own []expr
		for _, p := range all[i].own {
			own = append(own, oneIndex(p))
		}
		all[i].filter = and(append([]expr{or(own...)}, taken...)...)
		taken = append(taken, not(or(own...)))
	}
	return all, failed
}

// ruleOf is the rule that an index follows; not ok if it follows none.
func ruleOf(rules []rule, index string) (rule, bool) {
	if collected(index) {
		return rule{}, false
	}
	for _, r := range rules {
		if slices.ContainsFunc(r.own, func(p string) bool { return glob(p, index) }) {
			return r, !r.nothing()
		}
	}
	return rule{}, false
}

// cutoff is the time before which documents go: in whole days where the age is counted
// in days, as each deletion writes again what it leaves of a day.
func (l lifecycle) cutoff(now time.Time) time.Time {
	step := 24 * time.Hour
	switch {
	case l.age < 2*time.Hour:
		step = time.Minute
	case l.age < 48*time.Hour:
		step = time.Hour
	}
	return now.UTC().Add(-l.age).Truncate(step)
}

// Enforce deletes what the lifecycles of every namespace say is old enough at a time.
func (h *Handler) Enforce(ctx context.Context, now time.Time) {
	for _, namespace := range h.objects.namespaces() {
		rules, err := h.objects.rules(Access{Read: []string{namespace}, Home: namespace})
		if err != nil {
			h.Log.Warn("lifecycles", "namespace", namespace, "err", err)
		}
		for _, r := range rules {
			if r.deletes {
				h.expire(ctx, namespace, r, r.cutoff(now))
			}
		}
	}
}

// expire deletes the documents of a rule before a time, once for each time.
func (h *Handler) expire(ctx context.Context, namespace string, r rule, before time.Time) {
	text := and(r.filter, leaf("_time:<"+before.Format("2006-01-02T15:04:05.000000000Z"))).String()
	if h.expired[r.id] == text {
		return
	}
	began, err := h.Store.Delete(ctx, "lifecycle/"+r.id, logs.Selection{Namespaces: []string{namespace}, Text: text})
	if err != nil {
		h.Log.Warn("lifecycle: lines are not deleted yet", "of", r.id, "err", err)
		return
	}
	if began {
		h.Log.Info("lifecycle: lines are deleted", "of", r.id, "policy", r.policy, "before", before)
	}
	h.expired[r.id] = text
}

// Run enforces lifecycles until ctx ends.
func (h *Handler) Run(ctx context.Context) error {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			h.Enforce(ctx, now)
		case <-ctx.Done():
			return nil
		}
	}
}

// namespaces that have objects.
func (o *objects) namespaces() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []string
	for _, s := range o.all {
		all = append(all, s.Namespace)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
