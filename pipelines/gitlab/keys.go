package gitlab

import (
	"fmt"
	"slices"
)

// keyset is what may stand in one kind of mapping.
type keyset struct {
	where       string
	supported   []string
	unsupported map[string]string // key -> hint; "" for the usual one
}

var (
	globalKeys = keyset{
		where:       "at the top of the file",
		supported:   []string{"after_script", "before_script", "default", "image", "include", "spec", "stages", "variables", "workflow"},
		unsupported: set("cache", "services", "types", "pages"),
	}
	defaultKeys = keyset{
		where:     "in default",
		supported: []string{"after_script", "artifacts", "before_script", "image", "retry", "timeout"},
		unsupported: set("cache", "hooks", "id_tokens", "identity", "interruptible", "services",
			"tags"),
	}
	jobKeys = keyset{
		where: "in a job",
		supported: []string{"after_script", "allow_failure", "artifacts", "before_script", "dependencies",
			"extends", "image", "needs", "retry", "rules", "script", "stage", "timeout", "variables", "when"},
		unsupported: with(set("cache", "coverage", "dast_configuration", "environment", "hooks", "id_tokens",
			"identity", "inherit", "inputs", "interruptible", "manual_confirmation", "pages", "parallel",
			"publish", "release", "resource_group", "run", "secrets", "services", "start_in", "tags", "trigger"),
			map[string]string{"only": "write it as rules: - if: ...", "except": "write it as rules: - if: ... when: never"}),
	}
	imageKeys = keyset{
		where:       "in image",
		supported:   []string{"name", "entrypoint"},
		unsupported: set("docker", "kubernetes", "pull_policy"),
	}
	artifactKeys = keyset{
		where:       "in artifacts",
		supported:   []string{"exclude", "expire_in", "name", "paths", "when"},
		unsupported: set("access", "expose_as", "public", "reports", "untracked"),
	}
	needKeys = keyset{
		where:       "in needs",
		supported:   []string{"artifacts", "job", "optional"},
		unsupported: set("parallel", "pipeline", "project", "ref"),
	}
	ruleKeys = keyset{
		where:       "in rules",
		supported:   []string{"allow_failure", "if", "variables", "when"},
		unsupported: set("changes", "exists", "interruptible", "needs", "start_in"),
	}
	workflowKeys = keyset{
		where:       "in workflow",
		supported:   []string{"name", "rules"},
		unsupported: set("auto_cancel"),
	}
	workflowRuleKeys = keyset{
		where:       "in workflow:rules",
		supported:   []string{"if", "variables", "when"},
		unsupported: set("auto_cancel", "changes", "exists"),
	}
	globalVariableKeys = keyset{
		where:     "in a variable",
		supported: []string{"description", "expand", "options", "value"},
	}
	jobVariableKeys = keyset{
		where:     "in a variable of a job",
		supported: []string{"expand", "value"},
	}
	allowFailureKeys = keyset{where: "in allow_failure", supported: []string{"exit_codes"}}
	retryKeys        = keyset{
		where:       "in retry",
		supported:   []string{"max"},
		unsupported: set("exit_codes", "when"),
	}
)

func set(keys ...string) map[string]string {
	m := make(map[string]string, len(keys))
	for _, k := range keys {
		m[k] = ""
	}
	return m
}

func with(a, b map[string]string) map[string]string {
	for k, v := range b {
		a[k] = v
	}
	return a
}

func isGlobal(name string) bool {
	_, unsupported := globalKeys.unsupported[name]
	return unsupported || slices.Contains(globalKeys.supported, name)
}

// check every key of a mapping, and that it is one.
func (k *keyset) check(v *value, p *problems) bool {
	if v.kind != kindMap {
		p.add(v.place, ruleType, "", "a mapping is expected %s, and this is %s", k.where, v.kind)
		return false
	}
	for _, e := range v.keys {
		k.checkKey(e, p)
	}
	return true
}

func (k *keyset) checkKey(e entry, p *problems) {
	if slices.Contains(k.supported, e.name) {
		return
	}
	if hint, ok := k.unsupported[e.name]; ok {
		if hint == "" {
			hint = notYet
		}
		p.add(e.at, ruleUnsupported, hint, "%s %s is not supported yet", e.name, k.where)
		return
	}
	hint := didYouMean(e.name, k.supported)
	if nearest(e.name, k.supported) == "" {
		for u := range k.unsupported {
			if distance(u, e.name) == 1 {
				hint = fmt.Sprintf("%q is not supported yet either", u)
			}
		}
	}
	p.add(e.at, ruleUnknown, hint, "unknown key %q %s", e.name, k.where)
}
