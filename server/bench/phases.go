package bench

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// What a job goes through, as a watch of its TaskRun and its pod shows it. A phase ends
// when the API server has told of it.
const (
	taskMade   = "TaskRun made"
	podMade    = "pod made"
	podBound   = "pod scheduled"
	initEnded  = "sandbox, volumes and Tekton's init container done"
	stepRuns   = "container of the job runs"
	stepEnded  = "container of the job has ended"
	taskEnded  = "TaskRun says so"
	jobEnded   = "run says so"
	phaseTitle = "of a trivial job in a row, until "
)

var phases = []string{taskMade, podMade, podBound, initEnded, stepRuns, stepEnded, taskEnded}

// timeline is when each phase of each TaskRun was seen first.
type timeline struct {
	mu    sync.Mutex
	seen  map[string]map[string]time.Time
	group sync.WaitGroup
	stop  context.CancelFunc
}

// watchJobs begins to look at TaskRuns and pods of a repository; end stops it.
func watchJobs(ctx context.Context, in *instance, repository string) (*timeline, error) {
	kube, err := in.kube()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	t := &timeline{seen: map[string]map[string]time.Time{}, stop: stop}
	for _, what := range []struct {
		resource schema.GroupVersionResource
		note     func(*unstructured.Unstructured)
	}{
		{schema.GroupVersionResource{Group: "tekton.dev", Version: "v1", Resource: "taskruns"}, t.task},
		{schema.GroupVersionResource{Version: "v1", Resource: "pods"}, t.pod},
	} {
		w, err := kube.Resource(what.resource).Namespace(in.client.Namespace).Watch(ctx, metav1.ListOptions{LabelSelector: slipway.LabelRepository + "=" + repository})
		if err != nil {
			t.end()
			return nil, err
		}
		t.group.Go(func() {
			defer w.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case event, open := <-w.ResultChan():
					if !open {
						return
					}
					if o, ok := event.Object.(*unstructured.Unstructured); ok {
						what.note(o)
					}
				}
			}
		})
	}
	return t, nil
}

func (t *timeline) end() {
	t.stop()
	t.group.Wait()
}

func (t *timeline) note(task, phase string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen[task] == nil {
		t.seen[task] = map[string]time.Time{}
	}
	if _, known := t.seen[task][phase]; !known {
		t.seen[task][phase] = time.Now()
	}
}

func (t *timeline) task(o *unstructured.Unstructured) {
	t.note(o.GetName(), taskMade)
	if condition(o, "Succeeded") == "True" {
		t.note(o.GetName(), taskEnded)
	}
}

func (t *timeline) pod(o *unstructured.Unstructured) {
	task := o.GetLabels()["tekton.dev/taskRun"]
	t.note(task, podMade)
	if node, _, _ := unstructured.NestedString(o.Object, "spec", "nodeName"); node != "" {
		t.note(task, podBound)
	}
	state := func(list, state string) bool {
		statuses, _, _ := unstructured.NestedSlice(o.Object, "status", list)
		for _, s := range statuses {
			m, ok := s.(map[string]any)
			if !ok {
				return false
			}
			if _, found, _ := unstructured.NestedMap(m, "state", state); !found {
				return false
			}
		}
		return len(statuses) > 0
	}
	if state("initContainerStatuses", "terminated") {
		t.note(task, initEnded)
	}
	if ended := state("containerStatuses", "terminated"); ended || state("containerStatuses", "running") {
		t.note(task, stepRuns)
		if ended {
			t.note(task, stepEnded)
		}
	}
}

// report how long each phase took, of the jobs of a chain but for the first.
func (t *timeline) report(b *bench, r *slipway.Run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := 1; i < len(r.Status.Jobs); i++ {
		seen, at := t.seen[r.Status.Jobs[i].TaskRun], r.Status.Jobs[i-1].FinishedAt.Time
		for _, phase := range phases {
			if next, ok := seen[phase]; ok {
				b.report.add(phaseTitle+phase, "s", next.Sub(at).Seconds())
				at = next
			}
		}
		b.report.add(phaseTitle+jobEnded, "s", r.Status.Jobs[i].FinishedAt.Sub(at).Seconds())
	}
}
