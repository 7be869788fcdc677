package elastic

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lifecycle is what a policy means here: after which age documents are deleted, if ever.
type lifecycle struct {
	deletes bool
	age     time.Duration
}

// noOps are the actions that change nothing here: there is one index of each name, which
// never has to roll over, to be merged or to be recovered before others.
var noOps = []string{"rollover", "set_priority", "forcemerge"}

// readPolicy reads {"policy":{"phases":{…}}}. What cannot be done is refused by name.
func readPolicy(name string, body []byte) (lifecycle, error) {
	var l lifecycle
	v, err := decode(body)
	if err != nil {
		return l, err
	}
	outer := asObject("lifecycle", v)
	p := asObject("policy", outer.take("policy"))
	p.ignore("_meta", "deprecated")
	phases, ok := p.take("phases").(map[string]any)
	if !ok || firstOf(outer.err, p.err) != nil {
		return l, parsing("lifecycle policy [%.100s]: want {\"policy\":{\"phases\":{…}}}", name)
	}
	if err := firstOf(outer.done(), p.done()); err != nil {
		return l, err
	}
	rolls, rolled := false, time.Duration(0)
	for _, phase := range slices.Sorted(maps.Keys(phases)) {
		switch phase {
		case "hot", "warm", "cold", "frozen", "delete":
		default:
			return l, illegal("Timeseries lifecycle does not support phase [%.60s]", phase)
		}
		o := asObject(phase, phases[phase])
		age, err := unitTime(o.str("min_age", "0ms"))
		if err != nil {
			return l, err
		}
		actions := asObject("actions", o.take("actions"))
		if phase == "delete" {
			if actions.has("delete") {
				l.deletes, l.age = true, age
				actions.ignore("delete")
			}
		}
		for _, action := range slices.Sorted(maps.Keys(actions.m)) {
			switch {
			case !slices.Contains(noOps, action) || phase == "delete":
				return l, unsupported("lifecycle action [%.60s] in phase [%s] of policy [%.100s]; known: delete, %s", action, phase, name, strings.Join(noOps, ", "))
			case action == "rollover":
				if rolled, err = rollover(actions.m[action]); err != nil {
					return l, err
				}
				rolls = true
			}
		}
		if err := firstOf(o.done(), actions.err); err != nil {
			return l, err
		}
	}
	// The age counts from the rollover there: no document goes earlier than it would.
	l.age += rolled
	if l.deletes && rolls && l.age == 0 {
		return l, unsupported("policy [%.100s] deletes at once what rolled over by its size: nothing rolls over here; give the delete phase a min_age or the rollover a max_age", name)
	}
	return l, nil
}

// rollover reads after which age an index rolls over, if it is the age that tells.
func rollover(v any) (age time.Duration, err error) {
	o := asObject("rollover", v)
	if s := o.str("max_age", ""); s != "" {
		age, err = unitTime(s)
	}
	o.ignore("max_docs", "max_size", "max_primary_shard_size", "max_primary_shard_docs",
		"min_age", "min_docs", "min_size", "min_primary_shard_size", "min_primary_shard_docs")
	return age, firstOf(err, o.done())
}

// unitTime reads 30d, 12h, 0ms and their kind.
func unitTime(s string) (time.Duration, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	unit, ok := map[string]time.Duration{
		"nanos": time.Nanosecond, "micros": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}[s[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 32)
	if s == "0" {
		return 0, nil
	}
	if !ok || err != nil || n < 0 || time.Duration(n)*unit/unit != time.Duration(n) {
		return 0, parsing("failed to parse [%.60s] as a time: want a number with a unit such as 30d", s)
	}
	return time.Duration(n) * unit, nil
}

// follows is what the settings of an index or a template say of its lifecycle.
type follows struct {
	policy string
	// retention is that of a data stream's own lifecycle.
	retention time.Duration
}

func (f follows) nothing() bool { return f.policy == "" && f.retention == 0 }

// policyIn finds index.lifecycle.name in settings, however its path is written.
func policyIn(settings map[string]any) string {
	found := ""
	var walk func(path string, v any, depth int)
	walk = func(path string, v any, depth int) {
		if m, ok := v.(map[string]any); ok && depth < maxDepth {
			for k, v := range m {
				walk(strings.TrimPrefix(path+"."+k, "."), v, depth+1)
			}
			return
		}
		if s, ok := v.(string); ok && strings.TrimPrefix(path, "index.") == "lifecycle.name" {
			found = s
		}
	}
	walk("", settings, 0)
	return found
}

// streamLifecycle is the lifecycle that a template gives its data streams itself.
type streamLifecycle struct {
	Enabled       *bool           `json:"enabled"`
	DataRetention string          `json:"data_retention"`
	Downsampling  json.RawMessage `json:"downsampling"`
}

func (l *streamLifecycle) read() (time.Duration, error) {
	switch {
	case l == nil || l.Enabled != nil && !*l.Enabled:
		return 0, nil
	case len(l.Downsampling) > 0:
		return 0, unsupported("lifecycle [downsampling]")
	case l.DataRetention == "":
		return 0, nil
	}
	age, err := unitTime(l.DataRetention)
	if err == nil && age == 0 {
		err = illegal("[data_retention] must be >0")
	}
	return age, err
}

// follows is what a template or an index says itself; what it is composed of comes first.
func (b templateBody) follows(components map[string]templateBody) (follows, error) {
	var f follows
	for _, name := range b.ComposedOf {
		c, err := components[name].follows(nil)
		if err != nil {
			return f, err
		}
		if c.policy != "" {
			f.policy = c.policy
		}
		if c.retention != 0 {
			f.retention = c.retention
		}
	}
	for _, s := range []map[string]any{b.Settings, b.Template.Settings} {
		if name := policyIn(s); name != "" {
			f.policy = name
		}
	}
	age, err := b.Template.Lifecycle.read()
	if age != 0 {
		f.retention = age
	}
	return f, err
}
