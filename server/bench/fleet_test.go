package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// TestFleetFiles: an application of the fleet is four objects, with a Deployment scaled to
// zero, and the next round of it is another set.
func TestFleetFiles(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(tokens, 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := newInstance(tokens, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SLIPWAY_TOKEN", "none")
	f := &fleet{tree: &tree{in: in, name: "fleet", dir: t.TempDir()}}
	if out, err := exec.Command("git", "-C", f.dir, "init", "--quiet", "--initial-branch=main").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	digests := map[string]bool{}
	for range 2 {
		if _, err := f.write(t.Context(), []string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(f.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		answer, err := render.Render(root, render.Request{Path: "apps/a", Namespace: "default", Application: "a"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, o := range answer.Set.Objects {
			kinds = append(kinds, o.GetKind())
			if n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); n != 0 {
				t.Errorf("%s has %d replicas", o.GetKind(), n)
			}
		}
		slices.Sort(kinds)
		if got := strings.Join(kinds, " "); got != "ConfigMap Deployment Service ServiceAccount" {
			t.Error(got)
		}
		digests[answer.Set.Digest()] = true
	}
	if len(digests) != 2 {
		t.Error("a round changes nothing")
	}
}

// TestReleased: what was healthy before a push is not healthy with it.
func TestReleased(t *testing.T) {
	app := func(last, healthy, current int64, sync string) state {
		return stateOf(&unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": "a", "generation": int64(2)},
			"status": map[string]any{"last": last, "healthy": healthy, "current": current, "sync": sync, "health": "Healthy", "conditions": []any{
				map[string]any{"type": "Applied", "observedGeneration": int64(2)},
			}},
		}})
	}
	f := &fleet{last: map[string]int64{"a": 1}}
	for _, tc := range []struct {
		s    state
		want bool
	}{
		{app(1, 1, 1, "Synced"), false}, {app(2, 1, 2, "OutOfSync"), false}, {app(2, 1, 1, "Synced"), false}, {app(2, 2, 2, "Synced"), true},
	} {
		if got := f.released(tc.s); got != tc.want || tc.s.observed != 2 || tc.s.generation != 2 {
			t.Errorf("%+v: %v", tc.s, got)
		}
	}
}

// TestTimeline: a phase is when it was seen first, and those of a job follow one another.
func TestTimeline(t *testing.T) {
	l := &timeline{seen: map[string]map[string]time.Time{}}
	pod := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"labels": map[string]any{"tekton.dev/taskRun": "t1"}}}}
	show := func(fields ...any) {
		for i := 0; i < len(fields); i += 2 {
			if err := unstructured.SetNestedField(pod.Object, fields[i+1], strings.Split(fields[i].(string), ".")...); err != nil {
				t.Fatal(err)
			}
		}
		l.pod(pod)
	}
	status := func(state string) []any {
		return []any{map[string]any{"state": map[string]any{state: map[string]any{}}}}
	}
	b := &bench{report: newReport()}
	now := metav1.NowMicro()
	run := &slipway.Run{}
	run.Status.Jobs = []slipway.JobStatus{{FinishedAt: &now}, {TaskRun: "t1", FinishedAt: &now}}
	l.note("t1", taskMade)
	show()
	show("spec.nodeName", "n")
	show("status.initContainerStatuses", status("running"))
	if !l.seen["t1"][initEnded].IsZero() {
		t.Error("a container that runs has ended")
	}
	show("status.initContainerStatuses", status("terminated"), "status.containerStatuses", status("waiting"))
	show("status.containerStatuses", status("terminated"))
	l.note("t1", taskEnded)
	l.report(b, run)
	var names []string
	for _, f := range b.report.Figures {
		names = append(names, strings.TrimPrefix(f.Name, phaseTitle))
	}
	if want := append(slices.Clone(phases), jobEnded); !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}
