package gitlab

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/pipelines/plan"
)

var (
	artifactWhens  = []string{"on_success", "on_failure", "always"}
	artifactAccess = []string{"all", "developer", "maintainer", "none"}
)

const maxArtifactName = 255

func (c *compiler) readArtifacts(j *job, v *value, env *environment) {
	if v == nil || !artifactKeys.check(v, c.problems) {
		return
	}
	a := &plan.Artifacts{When: c.when(v.get("when"), artifactWhens, "in artifacts")}
	a.Name = c.text(v.get("name"), "artifacts:name")
	if len(a.Name) > maxArtifactName {
		c.add(v.at("name"), ruleLimit, "", "artifacts:name is longer than %d bytes", maxArtifactName)
	}
	a.Paths = c.patterns(v.get("paths"), "artifacts:paths", env)
	a.Exclude = c.patterns(v.get("exclude"), "artifacts:exclude", env)
	c.flag(v.get("untracked"), "artifacts:untracked", &a.Untracked)
	if e := v.get("expire_in"); e != nil {
		if d, forever := c.expiry(e, "expire_in"); forever {
			a.Keep = true
		} else {
			a.ExpireIn = d
		}
	}
	if e := v.get("expose_as"); e != nil {
		c.readExpose(a, e)
	}
	c.readAccess(a, v)
	a.Reports = c.readReports(v.get("reports"), env)
	if v.get("reports") == nil && !a.Untracked && len(a.Paths) == 0 {
		c.add(v.place, ruleValue, "write `paths:` with what to keep", "artifacts without paths keep nothing")
	}
	j.plan.Artifacts = a
}

// expiry is a duration, or never.
func (c *compiler) expiry(v *value, what string) (metav1.Duration, bool) {
	if v.kind == kindString && strings.TrimSpace(v.text) == "never" {
		return metav1.Duration{}, true
	}
	d, ok := c.duration(v, what)
	return metav1.Duration{Duration: d}, ok && d == 0
}

func (c *compiler) readExpose(a *plan.Artifacts, v *value) {
	a.ExposeAs = c.text(v, "artifacts:expose_as")
	bad := strings.ContainsFunc(a.ExposeAs, func(r rune) bool {
		return r > 0x7f || !wordByte(byte(r)) && r != ' ' && r != '-'
	})
	switch {
	case bad || a.ExposeAs == "" || len(a.ExposeAs) > 100:
		c.add(v.place, ruleValue, "", "artifacts:expose_as has up to 100 letters, digits, spaces, - and _")
	case len(a.Paths) == 0:
		c.add(v.place, ruleValue, "add `paths:`", "artifacts:expose_as without paths")
	case slices.ContainsFunc(a.Paths, func(p string) bool { return strings.Contains(p, "*") }):
		c.add(v.place, ruleValue, "write paths without *", "artifacts:expose_as with a pattern in paths")
	}
}

func (c *compiler) readAccess(a *plan.Artifacts, v *value) {
	public := c.optionalFlag(v.get("public"), "artifacts:public")
	c.choice(v.get("access"), "artifacts:access", artifactAccess, &a.Access)
	if public == nil {
		return
	}
	if v.get("access") != nil {
		c.add(v.at("public"), ruleValue, "keep access alone", "artifacts has both public and access")
	}
	if !*public {
		a.Access = "developer"
	}
}

// reportKinds that GitLab documents; all but the first three are kept as files.
var reportKinds = []string{"junit", "dotenv", "coverage_report", "accessibility", "annotations", "api_fuzzing",
	"browser_performance", "cluster_image_scanning", "codequality", "container_scanning", "coverage_fuzzing",
	"cyclonedx", "dast", "dependency_scanning", "license_scanning", "load_performance", "lsif", "metrics",
	"performance", "repository_xray", "requirements", "requirements_v2", "sast", "secret_detection", "terraform"}

var coverageFormats = []string{"cobertura", "jacoco"}

func (c *compiler) readReports(v *value, env *environment) (r plan.Reports) {
	if v == nil || !reportKeys.check(v, c.problems) {
		return r
	}
	for _, e := range v.keys {
		if e.val.kind == kindNull || !slices.Contains(reportKinds, e.name) {
			continue
		}
		if e.name == "coverage_report" {
			if coverageKeys.check(e.val, c.problems) {
				c.choice(e.val.get("coverage_format"), "coverage_format", coverageFormats, &r.CoverageFormat)
				r.Coverage = c.text(e.val.get("path"), "coverage_report:path")
				if r.Coverage == "" || r.CoverageFormat == "" {
					c.add(e.at, ruleValue, "write both", "coverage_report has a coverage_format and a path")
				}
			}
			continue
		}
		files := c.patterns(e.val, "reports:"+e.name, env)
		switch e.name {
		case "junit":
			r.JUnit = files
		case "dotenv":
			r.Dotenv = files
		default:
			if r.Other == nil {
				r.Other = map[string][]string{}
			}
			r.Other[e.name] = files
		}
	}
	return r
}

// patterns stay below the project directory. They are left as written, for the
// attempt to expand; what is known now is looked at already.
func (c *compiler) patterns(v *value, what string, env *environment) []string {
	if v == nil {
		return nil
	}
	var out []string
	for _, s := range c.strings(v, what) {
		if _, ok := c.below(env.expand(s), v.place, what); !ok {
			continue
		}
		s = strings.TrimPrefix(s, "$CI_PROJECT_DIR/")
		out = append(out, strings.TrimPrefix(s, "${CI_PROJECT_DIR}/"))
	}
	return out
}

func (c *compiler) below(s string, at place, what string) (string, bool) {
	path := strings.TrimPrefix(s, "$CI_PROJECT_DIR/")
	path = strings.TrimPrefix(path, "${CI_PROJECT_DIR}/")
	if strings.HasPrefix(path, "/") || path == ".." || strings.HasPrefix(path, "../") ||
		strings.HasSuffix(path, "/..") || strings.Contains(path, "/../") || strings.ContainsRune(path, 0) {
		c.add(at, ruleValue, "write a path below the project directory", "%s: %q leaves the project directory", what, s)
		return "", false
	}
	return path, true
}
