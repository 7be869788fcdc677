package run

import (
	"encoding/json"

	"slipway.dev/cluster/api/v1alpha1"
)

// etcd takes objects of at most 1.5 MiB; a Run has a third of that for its spec.
const (
	maxStatus      = 1 << 20
	maxActionBytes = 256 << 10
	// smallRun has so few jobs that its status is never too large.
	smallRun = 50
	// shortText is what stays of a message where there is no room for more.
	shortText = 160
)

// fit makes the status small enough to be kept, by leaving out what matters least, step by
// step: the edges of the graph (stages stay), what earlier attempts said, those attempts,
// and the ends of messages.
func fit(run *v1alpha1.Run) {
	if len(run.Status.Jobs) <= smallRun {
		return
	}
	for _, leaveOut := range []func(*v1alpha1.JobStatus){
		func(*v1alpha1.JobStatus) {},
		func(js *v1alpha1.JobStatus) { js.Needs = nil },
		func(js *v1alpha1.JobStatus) {
			for i := range js.Attempts {
				js.Attempts[i].Message = short(js.Attempts[i].Message)
			}
		},
		func(js *v1alpha1.JobStatus) { js.Attempts = js.Attempts[max(0, len(js.Attempts)-1):] },
		func(js *v1alpha1.JobStatus) { js.Message = short(js.Message) },
	} {
		for i := range run.Status.Jobs {
			leaveOut(&run.Status.Jobs[i])
		}
		if data, err := json.Marshal(&run.Status); err != nil || len(data) <= maxStatus {
			return
		}
	}
}

func short(s string) string {
	if len(s) <= shortText {
		return s
	}
	return s[:shortText] + "…"
}

// actionBytes is how much of the spec the actions take that people can make large.
func actionBytes(run *v1alpha1.Run) (n int) {
	for i := range run.Spec.Actions {
		for name, value := range run.Spec.Actions[i].Variables {
			n += len(name) + len(value)
		}
	}
	return n
}
