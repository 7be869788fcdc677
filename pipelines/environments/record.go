package environments

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// maxHistory of deployments, as the type has it.
const maxHistory = 50

// event is one job of a run, as it bears on an environment.
type event struct {
	run *v1alpha1.Run
	job *plan.Job
	js  *v1alpha1.JobStatus
}

// record brings an environment's status to what the event says. Doing it again, or in
// another order, comes to the same: later ends win over earlier ones.
func record(name string, st *v1alpha1.EnvironmentStatus, e event) {
	if st.State == "" {
		st.State = Available
	}
	if e.job.Environment.Tier != "" || st.Tier == "" {
		st.Tier = Tier(e.job.Environment.Tier, name)
	}
	switch e.job.Environment.Action {
	case "", "start":
		deployed(st, e)
	case "stop":
		stopped(st, e)
	default: // prepare, verify, access deploy nothing, but show that it is in use
		if e.js.Phase == v1alpha1.Succeeded && st.State == Available && st.DeployedAt != nil && e.js.FinishedAt != nil {
			extend(st, e)
		}
	}
}

// extend the life of the environment from the job's end.
func extend(st *v1alpha1.EnvironmentStatus, e event) {
	life := e.job.Environment.AutoStop.Duration
	if life <= 0 {
		return
	}
	at := metav1.NewTime(e.js.FinishedAt.Add(life).Truncate(time.Second))
	if st.AutoStopAt == nil || st.AutoStopAt.Before(&at) {
		st.AutoStopAt = &at
	}
}

func deployed(st *v1alpha1.EnvironmentStatus, e event) {
	for _, a := range e.js.Attempts {
		if a.StartedAt != nil {
			e.remember(st, *a.StartedAt, a.Phase)
		}
	}
	if e.js.StartedAt != nil {
		e.remember(st, *e.js.StartedAt, e.js.Phase)
	}
	end := e.js.FinishedAt
	if e.js.Phase != v1alpha1.Succeeded || end == nil || st.DeployedAt != nil && !st.DeployedAt.Before(end) {
		return
	}
	st.State, st.Run, st.Job, st.Commit, st.Ref, st.By = Available, e.run.Name, e.js.Name, e.run.Spec.Commit, e.run.Spec.Ref, by(e)
	st.DeployedAt, st.OnStop, st.AutoStopAt = end, e.job.Environment.OnStop, nil
	if e.js.EnvironmentURL != "" || e.job.Environment.URL == "" {
		st.URL = e.js.EnvironmentURL
	}
	extend(st, e)
}

func by(e event) string {
	if e.js.By != "" {
		return e.js.By
	}
	return e.run.Spec.By
}

// remember a deployment by its run, job and start.
func (e event) remember(st *v1alpha1.EnvironmentStatus, at metav1.MicroTime, phase v1alpha1.Phase) {
	i := slices.IndexFunc(st.History, func(d v1alpha1.Deployment) bool {
		return d.Run == e.run.Name && d.Job == e.js.Name && d.At.Equal(&at)
	})
	if i >= 0 {
		st.History[i].Phase = phase
		return
	}
	d := v1alpha1.Deployment{Run: e.run.Name, Job: e.js.Name, Commit: e.run.Spec.Commit, Ref: e.run.Spec.Ref, By: by(e), Phase: phase, At: at}
	at2 := slices.IndexFunc(st.History, func(o v1alpha1.Deployment) bool { return o.At.Before(&at) })
	if at2 < 0 {
		at2 = len(st.History)
	}
	st.History = slices.Insert(st.History, at2, d)
	if len(st.History) > maxHistory {
		st.History = st.History[:maxHistory]
	}
}

// stopped follows a job that stops the environment: one that began before the last
// deployment ended says nothing of it.
func stopped(st *v1alpha1.EnvironmentStatus, e event) {
	if e.js.StartedAt == nil || st.DeployedAt != nil && e.js.StartedAt.Before(st.DeployedAt) {
		return
	}
	switch e.js.Phase {
	case v1alpha1.Running:
		if st.State == Available {
			st.State = Stopping
		}
	case v1alpha1.Succeeded:
		st.State, st.AutoStopAt = Stopped, nil
	case v1alpha1.Failed, v1alpha1.Canceled:
		if st.State == Stopping {
			st.State = Available
		}
	}
}
