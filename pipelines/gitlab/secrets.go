package gitlab

import (
	"strings"

	"slipway.dev/pipelines/plan"
)

// engines of a Vault that hold fields by path.
var engines = []string{"kv-v1", "kv-v2", "generic"}

// defaultEngine of a Vault, and where it is mounted, as GitLab has them.
const defaultEngine = "kv-v2"

// readSecrets that another server keeps. A Vault is asked; other providers are refused
// by name, and what serves here instead is in the hint.
func (c *compiler) readSecrets(j *job, v *value, env *environment) {
	if v == nil {
		return
	}
	if v.kind != kindMap {
		c.add(v.place, ruleType, "write NAME: and `vault:` below it", "secrets is a mapping, and this is %s", v.kind)
		return
	}
	for _, e := range v.keys {
		before := c.count()
		if !plan.ValidName(e.name) {
			c.add(e.at, ruleValue, "letters, digits and _, not a digit first", "secrets: variable name %q", e.name)
			continue
		}
		if !secretKeys.check(e.val, c.problems) || c.count() > before {
			continue
		}
		one := plan.External{Variable: e.name, File: true,
			Server: "$VAULT_SERVER_URL", Role: "$VAULT_AUTH_ROLE", AuthPath: "$VAULT_AUTH_PATH", Namespace: "$VAULT_NAMESPACE"}
		c.flag(e.val.get("file"), "secrets:file", &one.File)
		vault := e.val.get("vault")
		if vault == nil {
			c.add(e.at, ruleValue, "write `vault: path/field@mount`", "secrets: %s says no provider", e.name)
			continue
		}
		c.readVault(&one, vault)
		c.readSecretToken(j, &one, e)
		// Where the variables of the repository are known, so is whether there is a server.
		if c.ctx.Repository != nil && j.included && env.value("VAULT_SERVER_URL").null {
			c.add(e.at, ruleValue, "slipway variable set VAULT_SERVER_URL --visible; and VAULT_AUTH_ROLE where there is no default role",
				"secrets: %s is in a Vault, and the variable VAULT_SERVER_URL is not set", e.name)
		}
		if c.count() == before {
			j.plan.External = append(j.plan.External, one)
		}
	}
}

// readVault: `path/field`, `path/field@mount`, or a mapping.
func (c *compiler) readVault(one *plan.External, v *value) {
	one.Engine, one.Mount = defaultEngine, defaultEngine
	if v.kind != kindMap {
		text := c.text(v, "secrets:vault")
		text, mount, mounted := strings.Cut(text, "@")
		if mounted {
			one.Mount = mount
		}
		if i := strings.LastIndexByte(text, '/'); i >= 0 {
			one.Path, one.Field = text[:i], text[i+1:]
		}
	} else if vaultKeys.check(v, c.problems) {
		one.Path, one.Field = c.text(v.get("path"), "secrets:vault:path"), c.text(v.get("field"), "secrets:vault:field")
		if e := v.get("engine"); e != nil && engineKeys.check(e, c.problems) {
			c.choice(e.get("name"), "secrets:vault:engine:name", engines, &one.Engine)
			one.Mount = c.text(e.get("path"), "secrets:vault:engine:path")
		}
	}
	if one.Path == "" || one.Field == "" || one.Mount == "" {
		c.add(v.place, ruleValue, "such as production/db/password@ops, or engine (name, path), path and field", "secrets:vault names a mount, a path and a field")
	}
}

// readSecretToken: the one that is named, or the only one of the job.
func (c *compiler) readSecretToken(j *job, one *plan.External, e entry) {
	if t := e.val.get("token"); t != nil {
		one.Token = c.text(t, "secrets:token")
		name := strings.Trim(strings.TrimPrefix(one.Token, "$"), "{}")
		for _, known := range j.plan.IDTokens {
			if known.Variable == name {
				return
			}
		}
		if strings.HasPrefix(one.Token, "$") {
			c.add(t.place, ruleValue, "declare it in id_tokens of the job", "secrets: the token %s is none of the job's id_tokens", one.Token)
			return
		}
		c.add(t.place, ruleValue, "write $NAME of one of id_tokens", "secrets:token is the variable of a token")
		return
	}
	switch len(j.plan.IDTokens) {
	case 1:
		one.Token = "$" + j.plan.IDTokens[0].Variable
	case 0:
		c.add(e.at, ruleValue, "add id_tokens: VAULT_ID_TOKEN: aud: https://vault.example.com", "secrets: %s needs a token to log in with, and the job has no id_tokens", e.name)
	default:
		c.add(e.at, ruleValue, "write `token: $NAME`", "secrets: %s does not say which of the job's id_tokens to log in with", e.name)
	}
}
