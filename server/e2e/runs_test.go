package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	api "slipway.dev/cluster/api/v1alpha1"
)

// until waits for the run of the newest push to be as wanted.
func (r *repo) until(what string, seen func(*api.Run) bool) *api.Run {
	r.t.Helper()
	return r.untilRun(r.run(), what, seen)
}

func (r *repo) untilRun(name, what string, seen func(*api.Run) bool) *api.Run {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	var last *time.Timer
	run, err := user.WaitRun(ctx, name, func(run *api.Run) bool {
		switch ended := run.Status.FinishedAt != nil && over(run); {
		case ended && last == nil:
			last = time.AfterFunc(10*time.Second, cancel) // enough for what comes after the end
		case !ended && last != nil:
			last.Stop() // it goes on: something of it is done again
			last = nil
		}
		return seen(run)
	})
	if err != nil {
		r.t.Fatalf("run %s: %s: %v\n%+v\n%s", name, what, err, run, serverLog(10))
	}
	return run
}

func is(name string, phase api.Phase) func(*api.Run) bool {
	return func(run *api.Run) bool { return jobOf(run, name).Phase == phase }
}

func over(run *api.Run) bool { return run.Status.Phase.Finished() }

func (r *repo) attemptLog(name string, attempt int) string {
	r.t.Helper()
	var b strings.Builder
	if err := user.AttemptLog(r.t.Context(), &b, r.run(), name, attempt, false); err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}

var stamp = regexp.MustCompile(`(?m)^(TERM|after|done) at ([0-9.]+)`)

// TestCancelAndRerun: the script has SIGTERM within two seconds, after_script has its
// time (longer than the grace of a pod), and what was canceled can be run again.
func TestCancelAndRerun(t *testing.T) {
	r := newRepo(t, "cancel", map[string]string{".gitlab-ci.yml": `
default: {image: busybox}
first: {stage: .pre, script: ["date > made"], artifacts: {paths: [made]}}
long:
  script:
    - test "$SLIPWAY_ATTEMPT" -gt 1 || { trap 'echo "TERM at $(date +%s)"; exit 1' TERM; echo waiting; for i in $(seq 600); do sleep 0.1; done; }
    - cat made
  after_script:
    - echo "after at $(date +%s)"
    - test "$SLIPWAY_ATTEMPT" -gt 1 || sleep 33
    - echo "done at $(date +%s)"
behind: {stage: deploy, script: ["cat made"]}
`})
	r.push()
	r.until("long runs", is("long", api.Running))
	eventually(t, time.Minute, func() error {
		var b strings.Builder
		err := user.JobLog(t.Context(), &b, r.run(), "long", false)
		if err == nil && !strings.Contains(b.String(), "waiting\n") {
			err = fmt.Errorf("the script does not run yet: %s", b.String())
		}
		return err
	})
	asked := time.Now()
	must(t, "run", "cancel", r.run())
	run := r.finished()
	if run.Status.Phase != api.Canceled || jobOf(run, "long").Phase != api.Canceled || jobOf(run, "behind").Phase != api.Canceled {
		t.Errorf("%s %+v", run.Status.Phase, run.Status.Jobs)
	}
	log := r.attemptLog("long", 1)
	times := map[string]float64{}
	for _, m := range stamp.FindAllStringSubmatch(log, -1) {
		at, err := time.ParseDuration(m[2] + "s")
		if err != nil {
			t.Fatal(err)
		}
		times[m[1]] = at.Seconds() - float64(asked.Unix())
	}
	t.Logf("after the request: SIGTERM %.0f s, after_script %.0f s to %.0f s; message %q", times["TERM"], times["after"], times["done"], jobOf(run, "long").Message)
	if len(times) != 3 || times["TERM"] > 2 || times["done"]-times["after"] < 33 {
		t.Errorf("SIGTERM came late or after_script was cut off:\n%s", log)
	}
	if !strings.HasPrefix(jobOf(run, "long").Message, "canceled by ") {
		t.Errorf("who canceled: %q", jobOf(run, "long").Message)
	}

	must(t, "run", "rerun", "--failed", "--wait", r.run())
	run = r.finished()
	if run.Status.Phase != api.Succeeded || jobOf(run, "first").Attempt != 1 || jobOf(run, "long").Attempt != 2 || len(jobOf(run, "long").Attempts) != 1 {
		t.Errorf("%s %+v", run.Status.Phase, run.Status.Jobs)
	}
	if again := r.attemptLog("long", 1); again != log {
		t.Errorf("the log of the first attempt changed:\n%s", again)
	}

	// From a job on: what is before keeps its artifacts, what is behind runs again.
	made := r.log("behind")
	must(t, "run", "rerun", "--from", "long", "-f", r.run())
	run = r.finished()
	if run.Status.Phase != api.Succeeded || jobOf(run, "first").Attempt != 1 || jobOf(run, "long").Attempt != 3 || jobOf(run, "behind").Attempt != 2 {
		t.Errorf("%s %+v", run.Status.Phase, run.Status.Jobs)
	}
	if a, b := dateLine.FindString(made), dateLine.FindString(r.log("behind")); a == "" || a != b {
		t.Errorf("the artifact of first differs: %q %q", a, b)
	}
}

var dateLine = regexp.MustCompile(`(?m)^\w{3} \w{3} .*20\d\d$`)

// TestManualJobs are played, taken back, retried and canceled by name.
func TestManualJobs(t *testing.T) {
	together(t)
	r := newRepo(t, "manual", map[string]string{".gitlab-ci.yml": `
default: {image: busybox}
a: {script: ["echo a"]}
gate: {stage: deploy, needs: [a], when: manual, allow_failure: false, script: ["echo gate", "test $SLIPWAY_ATTEMPT = 2"]}
later: {stage: deploy, needs: [a], when: delayed, start_in: 1 hour, script: ["echo later"]}
soon: {stage: deploy, needs: [a], when: delayed, start_in: 2 seconds, script: ["echo soon"]}
last: {stage: .post, script: ["echo last"]}
`})
	r.push()
	run := r.until("soon ran", is("soon", api.Succeeded))
	if soon := jobOf(run, "soon"); soon.StartedAt.Sub(jobOf(run, "a").FinishedAt.Time) < 2*time.Second {
		t.Errorf("soon started at %s, a ended at %s", soon.StartedAt, jobOf(run, "a").FinishedAt)
	}
	if later := jobOf(run, "later"); later.StartAt == nil || time.Until(later.StartAt.Time) < 55*time.Minute {
		t.Errorf("later %+v", later)
	}
	must(t, "run", "unplay", r.run(), "later")
	r.until("later waits for a person", func(run *api.Run) bool { return jobOf(run, "later").Manual && jobOf(run, "later").StartAt == nil })
	must(t, "run", "play", r.run(), "later")
	must(t, "run", "play", r.run(), "gate")
	run = r.until("the gate failed", func(run *api.Run) bool { return jobOf(run, "last").Phase == api.Skipped && over(run) })
	if gate := jobOf(run, "gate"); run.Status.Phase != api.Failed || gate.Reason != "script" || gate.By == "" {
		t.Errorf("%s %+v", run.Status.Phase, gate)
	}
	if out, err := slipway(t, "run", "wait", r.run()); err == nil {
		t.Errorf("a wait for a failed run succeeds: %s", out)
	}
	must(t, "run", "retry", r.run(), "gate")
	run = r.until("the run begins again", func(run *api.Run) bool { return run.Status.Handled == 4 })
	must(t, "run", "wait", r.run(), "--timeout", "1m")
	run = r.finished()
	if jobOf(run, "last").Phase != api.Succeeded || jobOf(run, "gate").Attempt != 2 {
		t.Errorf("%s %+v", run.Status.Phase, run.Status.Jobs)
	}
}
