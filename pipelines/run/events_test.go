package run

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/events"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// told are the events since the last look.
func told(r *events.FakeRecorder) (out []string) {
	for {
		select {
		case e := <-r.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

func TestEventsSayWhatARunDid(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", Retry: plan.Retry{Max: 1}})
	r := events.NewFakeRecorder(16)
	w.Events = r
	w.push()
	w.settle("shop-1")
	at := "run shop-1 of refs/heads/main at " + strings.Repeat("a", 40)
	// One on the Run, one on the Repository.
	if got, want := told(r), []string{"Normal RunStarted " + at, "Normal RunStarted " + at}; !slices.Equal(got, want) {
		t.Errorf("started: %q", got)
	}
	w.end("shop-1-a-1", false, 3, "Failed")
	w.settle("shop-1")
	if got, want := told(r), []string{"Warning JobRetried job a failed and is tried again: attempt 2: exit code 3"}; !slices.Equal(got, want) {
		t.Errorf("retried: %q", got)
	}
	w.end("shop-1-a-2", false, 3, "Failed")
	run := w.settle("shop-1")
	failed := "Warning RunFailed " + at + ": " + run.Status.Message
	if got, want := told(r), []string{"Warning JobFailed job a failed: exit code 3", failed, failed}; !slices.Equal(got, want) {
		t.Errorf("failed: %q", got)
	}
	w.settle("shop-1")
	if got := told(r); len(got) != 0 {
		t.Errorf("said twice: %q", got)
	}
}

func TestEventsNameABadPipelineFile(t *testing.T) {
	w := newWorld(t)
	r := events.NewFakeRecorder(16)
	w.Events = r
	w.compiler.Compiled = Compiled{Problems: []v1alpha1.Problem{{File: ".gitlab-ci.yml", Line: 3, Column: 5, Message: strings.Repeat("é", maxNote)}}}
	w.push()
	run := w.settle("shop-1")
	if repo := repositoryOf(run); repo == nil || repo.Name != "shop" || repo.UID != "u" {
		t.Errorf("repository %v", repo)
	}
	got := told(r)
	if len(got) != 2 || !strings.Contains(got[0], "RunFailed") || !strings.Contains(got[0], ".gitlab-ci.yml:3:5: é") {
		t.Fatalf("%q", got)
	}
	if note := strings.TrimPrefix(got[0], "Warning RunFailed "); len(note) > maxNote || !strings.HasSuffix(note, "é") {
		t.Errorf("the note has %d bytes and ends in %q", len(note), note[len(note)-2:])
	}
}
