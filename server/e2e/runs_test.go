package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
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
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var last *time.Timer
	run, err := user.WaitRun(ctx, name, func(run *api.Run) bool {
		switch ended := run.Status.FinishedAt != nil && over(run); {
		case ended && last == nil:
			last = time.AfterFunc(time.Minute, cancel) // enough for what comes after the end
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
	alone(t)
	r := newRepo(t, "cancel", map[string]string{".gitlab-ci.yml": `
default: {image: busybox}
first: {stage: .pre, script: ["date > made"], artifacts: {paths: [made]}}
long:
  script:
    - test "$SLIPWAY_ATTEMPT" -gt 1 || { trap 'echo "TERM at $(date +%s)"; exit 1' TERM; echo waiting; for i in $(seq 6000); do sleep 0.1; done; }
    - cat made
  after_script:
    - echo "after at $(date +%s)"
    - test "$SLIPWAY_ATTEMPT" -gt 1 || sleep 33
    - echo "done at $(date +%s)"
behind: {stage: deploy, script: ["cat made"]}
`})
	r.push()
	r.until("long runs", is("long", api.Running))
	eventually(t, func() error {
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
	must(t, "run", "wait", r.run(), "--timeout", "5m")
	run = r.finished()
	if jobOf(run, "last").Phase != api.Succeeded || jobOf(run, "gate").Attempt != 2 {
		t.Errorf("%s %+v", run.Status.Phase, run.Status.Jobs)
	}
}

// TestQueue: of a repository that may have one run at a time the next says its place and
// why, and begins once the first is over.
func TestQueue(t *testing.T) {
	together(t)
	r := newRepo(t, "queue", map[string]string{".gitlab-ci.yml": "workflow: {auto_cancel: {on_new_commit: none}}\njob: {image: busybox, script: ['test $CI_PIPELINE_IID != 1 || sleep 600']}\n"})
	r.push()
	r.until("the first runs", is("job", api.Running))
	first := r.run()
	must(t, "kubectl", "patch", "repository", r.name, "--type=merge", "--patch", `{"spec":{"maxRuns":1}}`)
	var waiting []string
	for i := 1; i <= 2; i++ {
		r.write(map[string]string{"n": fmt.Sprint(i)})
		r.push()
		waiting = append(waiting, r.run())
	}
	for i, place := range []string{"1st", "2nd"} {
		r.untilRun(waiting[i], "it waits", func(run *api.Run) bool {
			return run.Status.Queued == place+" in the queue: repository queue runs 1 of 1"
		})
	}
	if out := must(t, "run", "list"); !strings.Contains(out, "1st in the queue") {
		t.Errorf("the verb does not say so:\n%s", out)
	}
	must(t, "run", "cancel", first)
	for _, name := range waiting {
		r.untilRun(name, "it ran", func(run *api.Run) bool { return run.Status.Phase == api.Succeeded && run.Status.Queued == "" })
	}
}

// TestManyJobs of one run: a dozen, or a thousand in the soak test. Each
// does its own work, and a run of another repository is done before them.
func TestManyJobs(t *testing.T) {
	together(t)
	n, bound := 12, patience
	if os.Getenv(soakEnv) != "" {
		n, bound = 1000, 40*time.Minute
	}
	file := "default: {image: busybox}\n"
	for i := range n {
		file += fmt.Sprintf("job-%d: {script: [echo I am %d of %d]}\n", i, i, n)
	}
	r := newRepo(t, "thousand", map[string]string{".gitlab-ci.yml": file})
	beside := newRepo(t, "beside-thousand", map[string]string{".gitlab-ci.yml": oneJob})
	r.push()
	r.until("its first job ran", func(run *api.Run) bool {
		return slices.ContainsFunc(run.Status.Jobs, func(j api.JobStatus) bool { return j.Phase == api.Succeeded })
	})
	beside.push()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	run, err := user.WaitRun(ctx, r.run(), over)
	if err != nil || run.Status.Phase != api.Succeeded || len(run.Status.Jobs) != n {
		t.Fatalf("%v: %s with %d jobs: %s", err, run.Status.Phase, len(run.Status.Jobs), run.Status.Message)
	}
	other := beside.finished()
	if other.Status.Phase != api.Succeeded || n == 1000 && !other.Status.FinishedAt.Before(run.Status.FinishedAt) {
		t.Errorf("the run beside: %s, ended at %s, the large one at %s", other.Status.Phase, other.Status.FinishedAt, run.Status.FinishedAt)
	}
	for i := 0; i < n; i += 1 + n/40 {
		if log := r.log(fmt.Sprintf("job-%d", i)); !strings.Contains(log, fmt.Sprintf("\nI am %d of %d\n", i, n)) {
			t.Errorf("job %d:\n%s", i, log)
		}
	}
	t.Logf("%d jobs in %s", n, run.Status.FinishedAt.Sub(run.Status.StartedAt.Time).Round(time.Second))
}
