package gitlab

import (
	"regexp"
	"strings"

	"slipway.dev/pipelines/plan"
)

// readIDTokens: tokens that the server signs for the attempt.
func (c *compiler) readIDTokens(j *job, v *value, env *environment) {
	if v == nil {
		return
	}
	if v.kind != kindMap {
		c.add(v.place, ruleType, "write NAME: and `aud:` below it", "id_tokens is a mapping, and this is %s", v.kind)
		return
	}
	for _, e := range v.keys {
		if !plan.ValidName(e.name) {
			c.add(e.at, ruleValue, "letters, digits and _, not a digit first", "id_tokens: variable name %q", e.name)
			continue
		}
		if !idTokenKeys.check(e.val, c.problems) {
			continue
		}
		token := plan.IDToken{Variable: e.name}
		if aud := e.val.get("aud"); aud != nil {
			for _, s := range c.strings(aud, "id_tokens:aud") {
				token.Audiences = append(token.Audiences, env.expand(s))
			}
		}
		if len(token.Audiences) == 0 {
			c.add(e.at, ruleValue, "write `aud: https://vault.example.com`", "id_tokens: %s has no aud", e.name)
			continue
		}
		j.plan.IDTokens = append(j.plan.IDTokens, token)
	}
}

// readPages: `pages: false` is a job as any other; publishing is refused.
func (c *compiler) readPages(v *value) {
	if v == nil {
		return
	}
	if yes, ok := v.truth(); !ok || yes {
		c.add(v.place, ruleUnsupported, "remove it and serve the files from an image of your own with `slipway deploy`", "pages in a job is refused: nothing is published by the server")
	}
}

const maxTags = 50

// readTags: labels that the node of the job must have.
func (c *compiler) readTags(j *job, v *value, env *environment) {
	if v == nil {
		return
	}
	if v.kind != kindList {
		c.add(v.place, ruleType, "write `- TAG`", "tags is a list, and this is %s", v.kind)
		return
	}
	items := c.flatten(v.items, "tags")
	if len(items) >= maxTags {
		c.add(v.place, ruleLimit, "", "tags has %d entries; fewer than %d are allowed", len(items), maxTags)
		return
	}
	for _, item := range items {
		tag := c.known(j, &value{kind: kindString, text: c.text(item, "tags"), place: item.place}, env, "tags")
		if !j.included || tag == "" {
			continue
		}
		if _, err := plan.ParseLabel(tag); err != nil {
			c.add(item.place, ruleValue, "label a node so: slipway kubectl label node NAME gpu=yes", "%s", err)
			continue
		}
		c.addNode(j, tag)
	}
}

func (c *compiler) addNode(j *job, label string) {
	for _, n := range j.plan.Nodes {
		if n == label {
			return
		}
	}
	j.plan.Nodes = append(j.plan.Nodes, label)
}

func (c *compiler) readCoverage(j *job, v *value) {
	if v == nil {
		return
	}
	text := c.text(v, "coverage")
	re, err := compilePattern(text)
	if err != nil {
		c.add(v.place, ruleExpression, `such as /coverage: \d+\.\d+%/`, "coverage: %s", err)
		return
	}
	j.plan.Coverage = re.String()
}

var groupName = regexp.MustCompile(`\A[a-zA-Z0-9_/$}{. -]+\z`)

func (c *compiler) readResourceGroup(j *job, v *value, env *environment) {
	if v == nil {
		return
	}
	name := c.known(j, &value{kind: kindString, text: c.text(v, "resource_group"), place: v.place}, env, "resource_group")
	if !j.included {
		return
	}
	if len(name) > 255 || !groupName.MatchString(name) || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") {
		c.add(v.place, ruleValue, "letters, digits, spaces and - _ / $ { } . and no slash at an end", "resource_group %q is not a name", name)
		return
	}
	j.plan.ResourceGroup = name
}
