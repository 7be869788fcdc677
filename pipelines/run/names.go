package run

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/plan"
)

// maxName of what becomes a label value.
const maxName = 63

// attemptName is <run>-<job>-<attempt>, cut and hashed where that is too long for a
// label value and a pod name.
func attemptName(run, id string, attempt int) string {
	return joinName(run, id, strconv.Itoa(attempt))
}

// childName is <run>-<job>-c<attempt>: no push, rerun or schedule makes a run of such a name.
func childName(run, id string, attempt int) string {
	return joinName(run, id, "c"+strconv.Itoa(attempt))
}

// runEnd is a part of a job's ID that could be the end of a run's name: of shop-1, a
// second start shop-1-r2, or a child shop-1-docs-c1.
var runEnd = regexp.MustCompile(`(^|-)[rc]?[0-9]+-`)

// joinName keeps names of two runs apart: the job r1-x of shop-1 is shop-1--r1-x, and
// the job x of shop-1-r1 is shop-1-r1-x. An ID has no "--", so that the last one in a
// name, if there is one, ends the run's.
func joinName(run, id, last string) string {
	between := "-"
	if strings.Contains(run, "--") || runEnd.MatchString(id) {
		between = "--"
	}
	name := run + between + id + "-" + last
	if len(name) <= maxName-len("-pod") {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	tail := "-" + hex.EncodeToString(sum[:8]) + "-" + last
	return strings.TrimRight(name[:maxName-len("-pod")-len(tail)], "-.") + tail
}

// isAttempt says whether the TaskRun is that attempt: whatever has its name and is not
// is left alone, and believed nothing.
func isAttempt(tr *tekton.TaskRun, run *v1alpha1.Run, job *plan.Job, attempt int) bool {
	a, ok := attemptOf(tr)
	return ok && a == (joblog.Attempt{Namespace: run.Namespace, Run: run.Name, Job: job.ID, Number: attempt})
}

// notOurs fails a job whose attempt would have the name of a TaskRun that is something else's.
func (c *Controller) notOurs(run *v1alpha1.Run, job *plan.Job, js *v1alpha1.JobStatus) {
	why := fmt.Sprintf("a task run %s is there already that is not of this job; give the job another name", js.TaskRun)
	a := joblog.Attempt{Namespace: run.Namespace, Run: run.Name, Job: job.ID, Number: js.Attempt}
	if err := c.LogStore.Seal(a, why); err != nil {
		c.Log.Error("seal job log", "run", run.Name, "job", job.Name, "err", err)
	}
	fail(js, job, reasonSystem, why)
	js.TaskRun = ""
}
