package gitlab

import (
	"maps"
	"slices"
	"strconv"

	"slipway.dev/pipelines/plan"
)

// readAllowFailure says whether the file decides it.
func (c *compiler) readAllowFailure(j *job, v *value) bool {
	if v == nil {
		return false
	}
	if v.kind != kindMap {
		c.flag(v, "allow_failure", &j.plan.AllowFailure)
		return true
	}
	allowFailureKeys.check(v, c.problems)
	codes := v.get("exit_codes")
	if codes == nil {
		c.add(v.place, ruleType, "write `exit_codes: [1]`", "allow_failure has no exit_codes")
		return true
	}
	j.plan.AllowExitCodes = c.exitCodes(codes)
	return true
}

func (c *compiler) exitCodes(v *value) []int32 {
	items := []*value{v}
	if v.kind == kindList {
		items = c.flatten(v.items, "exit_codes")
	}
	var out []int32
	for _, item := range items {
		n, err := strconv.ParseInt(item.text, 10, 32)
		if item.kind != kindNumber || err != nil || n < 0 || n > 255 {
			c.add(item.place, ruleValue, "", "an exit code is a number from 0 to 255")
			continue
		}
		out = append(out, int32(n))
	}
	return out
}

// failures of GitLab, as the kinds that the plan knows. A failure that cannot happen
// here has none.
var failures = map[string][]string{
	"always":                   {"script", "timeout", "system", "image", "lost"},
	"unknown_failure":          {"system"},
	"script_failure":           {"script", "image"},
	"api_failure":              {"system"},
	"stuck_or_timeout_failure": {"timeout", "lost"},
	// The documentation counts an image that cannot be pulled to script_failure; the runner
	// reports it as runner_system_failure. People who wait for either get it.
	"runner_system_failure":  {"system", "image", "lost"},
	"runner_unsupported":     nil,
	"stale_schedule":         nil,
	"job_execution_timeout":  {"timeout"},
	"archived_failure":       nil,
	"unmet_prerequisites":    nil,
	"scheduler_failure":      {"lost"},
	"data_integrity_failure": {"system"},
}

func (c *compiler) readRetry(j *job, v *value) {
	if v == nil {
		return
	}
	count := v
	if v.kind == kindMap {
		retryKeys.check(v, c.problems)
		if count = v.get("max"); count == nil {
			count = &value{kind: kindNumber, text: "0", place: v.place} // as GitLab has it
		}
	}
	n, err := strconv.Atoi(count.text)
	if count.kind != kindNumber || err != nil || n < 0 || n > 2 {
		c.add(count.place, ruleValue, "", "retry is 0, 1 or 2")
		return
	}
	j.plan.Retry = plan.Retry{Max: n}
	if v.kind != kindMap {
		return
	}
	if n == 0 {
		c.retryWhen(v.get("when"))
		if codes := v.get("exit_codes"); codes != nil {
			c.exitCodes(codes)
		}
		return
	}
	when, limited := c.retryWhen(v.get("when"))
	if limited && len(when) == len(failures["always"]) {
		return
	}
	// A failure counts that is of one of the kinds, or has one of the codes.
	j.plan.Retry.When = when
	codes := v.get("exit_codes")
	if codes != nil {
		j.plan.Retry.ExitCodes = c.exitCodes(codes)
	}
	if limited && len(when) == 0 && codes == nil {
		j.plan.Retry = plan.Retry{} // what it waits for cannot happen here
	}
}

// retryWhen gives kinds of failure, sorted as the plan lists them, and whether the
// file chose them.
func (c *compiler) retryWhen(v *value) (kinds []string, limited bool) {
	if v == nil {
		return nil, false
	}
	items := []*value{v}
	if v.kind == kindList {
		items = c.flatten(v.items, "retry:when")
	}
	chosen := map[string]bool{}
	for _, item := range items {
		of, ok := failures[item.text]
		if item.kind != kindString || !ok {
			c.add(item.place, ruleValue, didYouMean(item.text, slices.Sorted(maps.Keys(failures))), "retry:when: %q is not known", item.text)
			continue
		}
		for _, k := range of {
			chosen[k] = true
		}
	}
	for _, k := range failures["always"] {
		if chosen[k] {
			kinds = append(kinds, k)
		}
	}
	return kinds, true
}
