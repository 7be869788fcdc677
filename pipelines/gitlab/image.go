package gitlab

import (
	"slices"
	"strings"

	"slipway.dev/pipelines/plan"
)

func (c *compiler) readImage(j *job, v *value, env *environment) {
	if v == nil {
		return
	}
	image, ok := c.image(j, v, env, imageKeys)
	if !ok {
		return
	}
	j.plan.Image = image
	j.plan.Predefined = append(j.plan.Predefined, plan.Variable{Name: "CI_JOB_IMAGE", Value: image.Name, Raw: !strings.Contains(image.Name, "$")})
}

// image of a job or of a service: a name, or a mapping with one.
func (c *compiler) image(j *job, v *value, env *environment, keys keyset) (image plan.Image, ok bool) {
	name := v
	if v.kind == kindMap {
		keys.check(v, c.problems)
		if name = v.get("name"); name == nil {
			c.add(v.place, ruleType, "write `name: IMAGE`", "%s has no name", strings.TrimPrefix(keys.where, "in "))
			return image, false
		}
		if ep := v.get("entrypoint"); ep != nil {
			image.Entrypoint = c.strings(ep, "entrypoint")
		}
		c.readPull(v.get("pull_policy"), &image)
		c.readUser(j, v, &image, env)
	}
	if name.kind != kindString {
		c.add(name.place, ruleType, "", "an image is a name, and this is %s", name.kind)
		return image, false
	}
	image.Name = c.imageName(j, name, env)
	if !j.included || strings.Contains(image.Name, "$") {
		return image, true
	}
	if err := plan.CheckImage(image.Name); err != nil {
		c.add(name.place, ruleValue, "such as busybox or registry.example.com/tools/go:1.26", "%s", err)
		return image, false
	}
	return image, true
}

// imageName is whole, or else as it is written: the attempt fills in what is masked and
// what only it knows, dotenv reports of the jobs before it among that.
func (c *compiler) imageName(j *job, v *value, env *environment) string {
	late := false
	plan.Expand(v.text, func(ref string) (string, bool) {
		d := env.value(ref)
		late = late || d.hidden || d.null && c.dotenv()
		return "", true
	})
	if late {
		return v.text
	}
	return c.known(j, v, env, "image")
}

// dotenv says whether any job of the file reports variables.
func (c *compiler) dotenv() bool {
	if c.reportsDotenv == nil {
		yes := c.defaults.get("artifacts").get("reports").get("dotenv") != nil
		for _, e := range c.root.keys {
			yes = yes || e.val.get("artifacts").get("reports").get("dotenv") != nil
		}
		c.reportsDotenv = &yes
	}
	return *c.reportsDotenv
}

// known expands a value that must be whole before the job starts.
func (c *compiler) known(j *job, v *value, env *environment, what string) string {
	return plan.Expand(v.text, func(ref string) (string, bool) {
		d := env.value(ref)
		switch {
		case !j.included:
		case d.hidden && env.masked[ref]:
			c.add(v.place, ruleValue, "make it visible: slipway variable set "+ref+" --visible", "%s refers to $%s, which is masked", what, ref)
		case d.hidden:
			c.add(v.place, ruleValue, "use a variable that is known before", "%s refers to $%s, whose value is known to the running job only", what, ref)
		case d.null:
			c.add(v.place, ruleValue, "give the variable a value in variables:", "%s refers to $%s, which is not set", what, ref)
		}
		return d.text, true
	})
}

var pullPolicies = []string{"always", "if-not-present", "never"}

func (c *compiler) readPull(v *value, image *plan.Image) {
	if v == nil {
		return
	}
	items := []*value{v}
	if v.kind == kindList {
		items = c.flatten(v.items, "pull_policy")
	}
	for i, item := range items {
		var policy string
		c.choice(item, "pull_policy", pullPolicies, &policy)
		if i == 0 {
			image.Pull = policy
		} else if policy != "" {
			image.PullNext = append(image.PullNext, policy)
		}
	}
}

// readUser from the options of GitLab's two executors; both mean the same here.
func (c *compiler) readUser(j *job, v *value, image *plan.Image, env *environment) {
	for _, executor := range []string{"docker", "kubernetes"} {
		o := v.get(executor)
		if o == nil {
			continue
		}
		keys := dockerKeys
		if executor == "kubernetes" {
			keys = kubernetesKeys
		}
		if !keys.check(o, c.problems) {
			continue
		}
		if u := o.get("user"); u != nil {
			image.User = c.known(j, &value{kind: kindString, text: c.text(u, executor+":user"), place: u.place}, env, executor+":user")
			if _, err := plan.ParseUser(image.User); err != nil && j.included {
				c.add(u.place, ruleValue, "", "%s", err)
			}
		}
		if p := o.get("platform"); p != nil {
			c.readPlatform(j, p, env)
		}
	}
}

var architectures = map[string]string{"amd64": "amd64", "x86_64": "amd64", "arm64": "arm64", "aarch64": "arm64",
	"arm": "arm", "386": "386", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}

// readPlatform chooses the node: an image is pulled for the node that it runs on.
func (c *compiler) readPlatform(j *job, v *value, env *environment) {
	platform := c.known(j, &value{kind: kindString, text: c.text(v, "docker:platform"), place: v.place}, env, "docker:platform")
	if !j.included {
		return
	}
	parts := strings.Split(strings.TrimPrefix(platform, "linux/"), "/")
	arch, ok := architectures[parts[0]]
	if !ok || len(parts) > 2 {
		c.add(v.place, ruleValue, "such as linux/amd64 or arm64/v8", "platform %q is not known", platform)
		return
	}
	c.addNode(j, "kubernetes.io/arch="+arch)
}

// readServices: containers beside the job.
func (c *compiler) readServices(j *job, v *value, env *environment) {
	if v == nil {
		return
	}
	if v.kind != kindList {
		c.add(v.place, ruleType, "write `- IMAGE`", "services is a list, and this is %s", v.kind)
		return
	}
	for _, item := range c.flatten(v.items, "services") {
		image, ok := c.image(j, item, env, serviceKeys)
		if !ok {
			continue
		}
		if u, err := plan.ParseUser(image.User); err == nil && u.Name != "" {
			c.add(item.place, ruleUnsupported, "give its number in the image, as 1000 or 1000:1000", "the user %q of a service by name is not supported", image.User)
		}
		s := plan.Service{Image: image}
		if !strings.Contains(image.Name, "$") {
			s.Names = plan.HostNames(image.Name)
		}
		if item.kind == kindMap {
			c.readAlias(j, &s, item.get("alias"), env)
			if cmd := item.get("command"); cmd != nil {
				s.Command = c.strings(cmd, "services:command")
			}
			s.Variables = c.variables(item.get("variables"), jobVariableKeys)
		}
		j.plan.Services = append(j.plan.Services, s)
	}
}

// readAlias: further names, with commas or spaces between.
func (c *compiler) readAlias(j *job, s *plan.Service, v *value, env *environment) {
	if v == nil {
		return
	}
	text := c.known(j, &value{kind: kindString, text: c.text(v, "services:alias"), place: v.place}, env, "services:alias")
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		if !validHost(name) {
			c.add(v.place, ruleValue, "letters, digits, -, _ and .", "services:alias: %q is not the name of a host", name)
			continue
		}
		if !slices.Contains(s.Names, name) {
			s.Names = append(s.Names, name)
		}
	}
}

func validHost(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; !wordByte(c) && (c != '-' && c != '.' || i == 0) {
			return false
		}
	}
	return name != "" && len(name) <= 253
}
