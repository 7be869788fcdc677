package gitlab

import (
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/pipelines/plan"
)

// defaultDepth of the history, as GitLab has it for new projects.
const defaultDepth = 20

// readMaterial turns the variables that GitLab Runner reads into the plan's own
// words, so that nothing below the plan needs to know them.
func (c *compiler) readMaterial(j *job, env *environment) {
	if !j.included {
		return
	}
	get := func(name string) string {
		return strings.TrimSpace(env.setting(name))
	}
	bad := func(name, want string) {
		if env.masked[name] {
			c.add(j.at, ruleValue, want, "job %q: the variable %s has a value that does not serve", j.plan.Name, name)
			return
		}
		c.add(j.at, ruleValue, want, "job %q: the variable %s is %q", j.plan.Name, name, env.written[name])
	}
	k, s := &j.plan.Checkout, &j.plan.Script
	switch get("GIT_STRATEGY") {
	case "", "clone", "fetch":
	case "none":
		k.Strategy = "none"
	case "empty":
		k.Strategy = "empty"
	default:
		bad("GIT_STRATEGY", "clone, fetch, none or empty")
	}
	k.Depth = defaultDepth
	number := func(name string, least, most int, into *int) {
		text := get(name)
		if text == "" {
			return
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			bad(name, "a number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
			return
		}
		*into = n
	}
	number("GIT_DEPTH", 0, 1_000_000, &k.Depth)
	number("GET_SOURCES_ATTEMPTS", 1, 10, &k.Attempts)
	switch sub := get("GIT_SUBMODULE_STRATEGY"); sub {
	case "", "none":
	case "normal", "recursive":
		k.Submodules, k.SubmoduleDepth = sub, k.Depth
		k.SubmodulePaths = strings.Fields(get("GIT_SUBMODULE_PATHS"))
		number("GIT_SUBMODULE_DEPTH", 0, 1_000_000, &k.SubmoduleDepth)
		if strings.Contains(get("GIT_SUBMODULE_UPDATE_FLAGS"), "--remote") {
			bad("GIT_SUBMODULE_UPDATE_FLAGS", "no --remote: submodules are at the commits that the repository names")
		}
	default:
		bad("GIT_SUBMODULE_STRATEGY", "none, normal or recursive")
	}
	if text := get("GIT_CHECKOUT"); text != "" {
		checkout, err := strconv.ParseBool(text)
		if err != nil {
			bad("GIT_CHECKOUT", "true or false")
		}
		k.Skip = err == nil && !checkout
	}
	if flags := get("GIT_CLEAN_FLAGS"); flags == "none" {
		k.Clean = []string{}
	} else if flags != "" {
		k.Clean = strings.Fields(flags)
		if slices.ContainsFunc(k.Clean, func(f string) bool {
			return strings.HasPrefix(f, "--") && f != "--exclude" && !strings.HasPrefix(f, "--exclude=")
		}) {
			bad("GIT_CLEAN_FLAGS", "flags of git clean, or none")
		}
	}
	c.readClonePath(j, env, bad)
	c.readScriptVariables(s, get, bad)
}

// readClonePath: below the builds directory, or refused.
func (c *compiler) readClonePath(j *job, env *environment, bad func(name, want string)) {
	path := env.expand(env.written["GIT_CLONE_PATH"])
	if path == "" {
		return
	}
	if env.masked["GIT_CLONE_PATH"] {
		bad("GIT_CLONE_PATH", "make it visible: slipway variable set GIT_CLONE_PATH --visible")
		return
	}
	rest, ok := strings.CutPrefix(path, "$CI_BUILDS_DIR/")
	if !ok {
		rest, ok = strings.CutPrefix(path, "${CI_BUILDS_DIR}/")
	}
	clean := !slices.ContainsFunc(strings.Split(rest, "/"), func(s string) bool { return s == ".." || s == "." || s == "" })
	if !ok || !clean || strings.ContainsAny(rest, "$\x00") {
		bad("GIT_CLONE_PATH", "a path below $CI_BUILDS_DIR/")
		return
	}
	j.plan.Checkout.Directory = rest
}

func (c *compiler) readScriptVariables(s *plan.Script, get func(string) string, bad func(name, want string)) {
	for name, into := range map[string]*metav1.Duration{"RUNNER_SCRIPT_TIMEOUT": &s.MainTimeout, "RUNNER_AFTER_SCRIPT_TIMEOUT": &s.AfterTimeout} {
		text := get(name)
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
		if err != nil || d < 0 || d > 30*day {
			bad(name, "such as 30m or 1h30m")
			continue
		}
		into.Duration = d
	}
	flag := func(name string) (yes, ok bool) {
		text := get(name)
		if text == "" {
			return false, false
		}
		yes, err := strconv.ParseBool(text)
		if err != nil {
			bad(name, "true or false")
		}
		return yes, err == nil
	}
	if ignore, ok := flag("AFTER_SCRIPT_IGNORE_ERRORS"); ok {
		s.AfterCounts = !ignore
	}
	s.Trace, _ = flag("CI_DEBUG_TRACE")
	s.Sections, _ = flag("FF_SCRIPT_SECTIONS")
}
