package run

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// keeps stores an archive with these files for the running attempt of a job.
func (w *world) keeps(run, job string, names ...string) {
	w.t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := z.Create(name); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Artifacts.Put(w.t.Context(), "default", run, jobapi.ArtifactName(job), &b, 1<<20); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Kept(w.t.Context(), jobapi.Ref{Namespace: "default", Run: run, Job: job, Attempt: 1}); err != nil {
		w.t.Fatal(err)
	}
}

// TestArtifactsExpire: after what the job says, or else the server's time, or never; and
// what the newest successful run of a ref kept stays as long as it is that.
func TestArtifactsExpire(t *testing.T) {
	hour := metav1.Duration{Duration: time.Hour}
	w := newWorld(t, plan.Job{Name: "hour", Artifacts: &plan.Artifacts{ExpireIn: hour}}, plan.Job{Name: "never", Artifacts: &plan.Artifacts{Keep: true}}, plan.Job{Name: "default", Artifacts: &plan.Artifacts{}})
	w.Settings.ArtifactsExpire = 48 * time.Hour
	jobs := []string{"hour", "never", "default"}
	runs := []string{"shop-1", "shop-1-r1"}
	w.push()
	for i, run := range runs {
		if i > 0 {
			if _, err := w.Start(t.Context(), "default", StartRequest{Repository: "shop"}); err != nil {
				t.Fatal(err)
			}
		}
		w.settle(run)
		for _, job := range jobs {
			w.keeps(run, job, "a")
			w.end(run+"-"+job+"-1", true, 0, "Succeeded")
		}
		if got := w.settle(run); got.Status.Phase != v1alpha1.Succeeded {
			t.Fatalf("%+v", got.Status)
		}
	}
	for _, tt := range []struct {
		after time.Duration
		left  string // of the first run
	}{{30 * time.Minute, "hour never default"}, {2 * time.Hour, "never default"}, {47 * time.Hour, "never default"}, {49 * time.Hour, "never"}, {10 * 365 * 24 * time.Hour, "never"}} {
		if err := w.expire(t.Context(), time.Now().Add(tt.after)); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{tt.left, "hour never default"} {
			var left []string
			run := w.settle(runs[i])
			for j, job := range jobs {
				rc, err := w.Artifacts.Get(t.Context(), "default", runs[i], jobapi.ArtifactName(job))
				if err == nil {
					rc.Close()
					left = append(left, job)
				} else if !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
				if js := run.Status.Jobs[j]; js.Artifacts != (err == nil) {
					t.Errorf("job %s of %s says %v", job, runs[i], js.Artifacts)
				}
			}
			if got := strings.Join(left, " "); got != want {
				t.Errorf("%s after %s: %q, want %q", runs[i], tt.after, got, want)
			}
		}
	}
}

// TestExpiredArtifactsOfANeed fail the job that takes them, and that one alone.
func TestExpiredArtifactsOfANeed(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "make", Artifacts: &plan.Artifacts{ExpireIn: metav1.Duration{Duration: time.Hour}}},
		plan.Job{Name: "takes", When: plan.Manual, AllowFailure: true, Needs: []plan.Need{{Job: "make", Artifacts: true}}, Retry: plan.Retry{Max: 2}},
		plan.Job{Name: "waits", When: plan.Manual, AllowFailure: true, Needs: needs("make")},
		plan.Job{Name: "fails", When: plan.OnFailure})
	w.push()
	w.settle("shop-1")
	w.keeps("shop-1", "make", "a")
	w.end("shop-1-make-1", true, 0, "Succeeded")
	w.settle("shop-1")
	// A newer run has taken the place that keeps them.
	if _, err := w.Start(t.Context(), "default", StartRequest{Repository: "shop"}); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1-r1")
	w.keeps("shop-1-r1", "make", "a")
	w.end("shop-1-r1-make-1", true, 0, "Succeeded")
	w.settle("shop-1-r1")
	old := w.settle("shop-1")
	past := metav1.NewTime(time.Now().Add(-time.Minute).Truncate(time.Second))
	old.Status.Jobs[0].ArtifactsExpire = &past
	if err := w.Status().Update(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := w.expire(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, job := range []string{"takes", "waits"} {
		if err := w.Act(t.Context(), "default", "shop-1", v1alpha1.RunAction{Verb: verbPlay, Job: job}); err != nil {
			t.Fatal(err)
		}
	}
	run := w.settle("shop-1")
	if js := jobStatus(run, "takes"); js.Phase != v1alpha1.Failed || js.Attempt != 1 || !strings.Contains(js.Message, "artifacts of make, which have expired") {
		t.Errorf("%+v", js)
	}
	if js := jobStatus(run, "waits"); js.Phase != v1alpha1.Running {
		t.Errorf("%+v", js)
	}
}

func TestExposedArtifacts(t *testing.T) {
	all := &v1alpha1.ExposedArtifacts{Name: "result"}
	for name, tt := range map[string]struct {
		paths []string
		want  *v1alpha1.ExposedArtifacts
	}{
		"a file":      {[]string{"./out/index.html"}, &v1alpha1.ExposedArtifacts{Name: "result", Path: "out/index.html"}},
		"a directory": {[]string{"out"}, all},
		"several":     {[]string{"out", "other"}, all},
		"a variable":  {[]string{"$OUT"}, nil},
	} {
		w := newWorld(t, plan.Job{Name: "a", Artifacts: &plan.Artifacts{ExposeAs: "result", Paths: tt.paths}})
		w.push()
		w.settle("shop-1")
		w.keeps("shop-1", "a", "out/", "out/index.html")
		got := w.settle("shop-1").Status.Jobs[0].Exposed
		if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
