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

const (
	ourSecrets  = "keep it in a Vault, or here: slipway variable set NAME --repo REPOSITORY; it reaches the jobs as a masked variable"
	ourImages   = "an image reaches the registry with `slipway build`, an application with `slipway deploy`"
	noEffect    = "remove it; GitLab accepts it, and it changes nothing about a pipeline"
	noOtherRuns = "a job takes artifacts of its own run only; fetch others in the script from the registry or the API"
)

var (
	globalKeys = keyset{
		where: "at the top of the file",
		supported: []string{"after_script", "before_script", "cache", "default", "image", "include", "services", "spec",
			"stages", "variables", "workflow"},
		unsupported: map[string]string{"types": "write `stages:`"},
	}
	defaultKeys = keyset{
		where: "in default",
		supported: []string{"after_script", "artifacts", "before_script", "cache", "hooks", "id_tokens", "image",
			"interruptible", "retry", "services", "tags", "timeout"},
		unsupported: map[string]string{"identity": "get a token with id_tokens and exchange it in the script"},
	}
	jobKeys = keyset{
		where: "in a job",
		supported: []string{"after_script", "allow_failure", "artifacts", "before_script", "cache", "coverage",
			"dependencies", "environment", "except", "extends", "hooks", "id_tokens", "image", "inherit", "interruptible",
			"manual_confirmation", "needs", "only", "pages", "parallel", "resource_group", "retry", "rules", "script",
			"secrets", "services", "stage", "start_in", "tags", "timeout", "trigger", "variables", "when"},
		unsupported: map[string]string{
			"inputs":             notYet,
			"dast_configuration": "run the scanner in a job of your own with its settings as variables",
			"identity":           "get a token with id_tokens and exchange it in the script",
			"publish":            "keep the directory as an artifact; nothing is published by the server",
			"release":            "keep the files as artifacts or push them to the registry in the script; " + ourImages,
			"run":                "write the steps as `script:`",
			"type":               "write `stage:`",
		},
	}
	hookKeys  = keyset{where: "in hooks", supported: []string{"pre_get_sources_script"}}
	imageKeys = keyset{
		where:     "in image",
		supported: []string{"docker", "entrypoint", "kubernetes", "name", "pull_policy"},
	}
	serviceKeys = keyset{
		where:     "in services",
		supported: []string{"alias", "command", "docker", "entrypoint", "kubernetes", "name", "pull_policy", "variables"},
	}
	dockerKeys     = keyset{where: "in docker", supported: []string{"platform", "user"}}
	kubernetesKeys = keyset{where: "in kubernetes", supported: []string{"user"}}
	artifactKeys   = keyset{
		where: "in artifacts",
		supported: []string{"access", "exclude", "expire_in", "expose_as", "name", "paths", "public", "reports",
			"untracked", "when"},
	}
	reportKeys   = keyset{where: "in artifacts:reports", supported: reportKinds}
	coverageKeys = keyset{where: "in coverage_report", supported: []string{"coverage_format", "path"}}
	cacheKeys    = keyset{
		where:     "in cache",
		supported: []string{"fallback_keys", "key", "paths", "policy", "unprotect", "untracked", "when"},
	}
	cacheKeyKeys = keyset{
		where:       "in cache:key",
		supported:   []string{"files", "prefix"},
		unsupported: map[string]string{"files_commits": "write `files:`; the key then follows what is in the files"},
	}
	needKeys = keyset{
		where:     "in needs",
		supported: []string{"artifacts", "job", "optional", "parallel"},
		unsupported: map[string]string{"pipeline": noOtherRuns, "project": noOtherRuns,
			"ref": noOtherRuns},
	}
	parallelKeys = keyset{where: "in parallel", supported: []string{"matrix"}}
	ruleKeys     = keyset{
		where: "in rules",
		supported: []string{"allow_failure", "changes", "exists", "if", "interruptible", "needs", "start_in",
			"variables", "when"},
	}
	changesKeys  = keyset{where: "in changes", supported: []string{"compare_to", "paths"}}
	existsKeys   = keyset{where: "in exists", supported: []string{"paths", "project", "ref"}}
	workflowKeys = keyset{
		where:     "in workflow",
		supported: []string{"auto_cancel", "name", "rules"},
	}
	workflowRuleKeys = keyset{
		where:     "in workflow:rules",
		supported: []string{"auto_cancel", "changes", "exists", "if", "variables", "when"},
		unsupported: map[string]string{"allow_failure": noEffect, "interruptible": noEffect, "needs": noEffect,
			"start_in": noEffect},
	}
	autoCancelKeys = keyset{where: "in auto_cancel", supported: []string{"on_job_failure", "on_new_commit"}}
	policyKeys     = keyset{
		where:     "in only and except",
		supported: []string{"changes", "kubernetes", "refs", "variables"},
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
	retryKeys        = keyset{where: "in retry", supported: []string{"exit_codes", "max", "when"}}
	environmentKeys  = keyset{
		where:       "in environment",
		supported:   []string{"action", "auto_stop_in", "deployment_tier", "name", "on_stop", "url"},
		unsupported: map[string]string{"kubernetes": "remove it; " + ourImages},
	}
	triggerKeys = keyset{
		where:     "in trigger",
		supported: []string{"branch", "forward", "include", "inputs", "project", "strategy"},
	}
	triggerIncludeKeys = keyset{
		where:     "in trigger:include",
		supported: []string{"artifact", "component", "file", "inputs", "job", "local", "project", "ref", "remote", "template"},
	}
	forwardKeys = keyset{where: "in forward", supported: []string{"pipeline_variables", "yaml_variables"}}
	idTokenKeys = keyset{where: "in id_tokens", supported: []string{"aud"}}
	secretKeys  = keyset{
		where:     "in secrets",
		supported: []string{"file", "token", "vault"},
		unsupported: map[string]string{"azure_key_vault": ourSecrets, "gcp_secret_manager": ourSecrets,
			"aws_secrets_manager": ourSecrets, "akeyless": ourSecrets, "gitlab_secrets_manager": ourSecrets},
	}
	vaultKeys  = keyset{where: "in secrets:vault", supported: []string{"engine", "field", "path"}}
	engineKeys = keyset{where: "in secrets:vault:engine", supported: []string{"name", "path"}}
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
		p.add(e.at, ruleUnsupported, hint, "%s %s is not supported", e.name, k.where)
		return
	}
	hint := didYouMean(e.name, k.supported)
	if nearest(e.name, k.supported) == "" {
		for u := range k.unsupported {
			if distance(u, e.name) == 1 {
				hint = fmt.Sprintf("%q is not supported either", u)
			}
		}
	}
	p.add(e.at, ruleUnknown, hint, "unknown key %q %s", e.name, k.where)
}
