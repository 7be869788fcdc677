package e2e

import (
	"strings"
	"testing"
)

// TestSchedule: a run of a schedule has its source, its variables and inputs, and is named by it.
func TestSchedule(t *testing.T) {
	together(t)
	r := newRepo(t, "scheduled", map[string]string{".gitlab-ci.yml": `
spec: {inputs: {size: {type: number, default: 1}}}
---
say:
  image: busybox
  script: ['echo "by $CI_PIPELINE_SOURCE for $WHO, size $[[ inputs.size ]]"']
`})
	r.push()
	if r.finished(); !strings.Contains(r.log("say"), "by push for , size 1") {
		t.Fatal(r.log("say"))
	}
	must(t, "schedule", "create", "nightly", "--repo", r.name, "--cron", "30 2 29 2 *", "--time-zone", "Asia/Shanghai", "--var", "WHO=a, b=c", "--input", "size=7")
	cleanUp(t, "kubectl", "delete", "schedule.slipway.dev", "nightly", "--ignore-not-found")
	must(t, "schedule", "run", "nightly")
	name := ""
	eventually(t, func() error {
		for line := range strings.Lines(must(t, "run", "list", "--repo", r.name)) {
			if f := strings.Fields(line); strings.HasPrefix(f[0], "nightly-p") {
				name = f[0]
				return nil
			}
		}
		return errStill
	})
	r.untilRun(name, "it is over", over)
	if out := must(t, "run", "logs", name); !strings.Contains(out, "by schedule for a, b=c, size 7") {
		t.Fatalf("log of the scheduled run:\n%s", out)
	}
	if out := must(t, "schedule", "list"); !strings.Contains(out, "nightly") || !strings.Contains(out, "Asia/Shanghai") {
		t.Fatalf("schedules:\n%s", out)
	}
}
