package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "slipway.dev/cluster/api/v1alpha1"
)

// counted is a hook that leaves a line in a volume each time that it runs.
const counted = `
apiVersion: batch/v1
kind: Job
metadata: {name: stepped-PHASE, annotations: {argocd.argoproj.io/hook: PHASE-NAME, argocd.argoproj.io/hook-delete-policy: BeforeHookCreation}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: m, image: busybox, command: [sh, -c, "echo VERSION >>/count/PHASE; sync; sleep 1"], volumeMounts: [{name: count, mountPath: /count}]}
      volumes: [{name: count, persistentVolumeClaim: {claimName: stepped}}]
`

// moments of a sync in their order, as its release tells them.
var moments = []string{
	"accepted", "begun", "stored", "PreSync announced", "PreSync runs", "PreSync is over", "wave 0", "wave 0 written",
	"wave 1", "wave 1 written", "PostSync announced", "PostSync runs", "PostSync is over", "healthy",
}

// moment that a release is at.
func moment(rel *api.Release) int {
	switch {
	case rel == nil:
		return 0
	case rel.Status.Result != "" && rel.Status.Result != api.ReleaseProgressing:
		return 13
	case rel.Spec.Rendered == "":
		return 1
	case rel.Status.Sync == nil:
		return 2
	}
	at, progress := 2, rel.Status.Sync
	for _, h := range progress.Hooks {
		first := map[string]int{api.PhasePreSync: 3, api.PhasePostSync: 10}[h.Phase]
		at = max(at, first+map[string]int{api.HookRunning: 1, api.HookSucceeded: 2, api.HookFailed: 2}[h.State])
	}
	if progress.Phase == api.PhaseSync {
		at = max(at, 6+2*int(progress.Wave))
		if progress.Written {
			at = max(at, 7+2*int(progress.Wave))
		}
	}
	return at
}

// TestKilledAtEachStep kills the server at each moment of a sync in turn, as soon as it is
// seen. Each time the release ends healthy, with one run of each hook and one change of
// each object. It takes minutes, and is a part of `make soak`; TestKilledServer has one
// moment of it.
func TestKilledAtEachStep(t *testing.T) {
	alone(t)
	if os.Getenv(soakEnv) == "" {
		t.Skip(soakEnv + " is not set")
	}
	cleanUp(t, "kubectl", "delete", "pvc", "stepped", "--ignore-not-found", "--timeout=5m")
	cleanUp(t, "kubectl", "delete", "job", "stepped-pre", "stepped-post", "--ignore-not-found", "--timeout=5m")
	must(t, "kubectl", "apply", "-f", writeFile(t, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: stepped}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n"))
	in := func(version string) map[string]string {
		hook := func(phase, name string) string {
			return strings.NewReplacer("PHASE-NAME", name, "PHASE", phase, "VERSION", version).Replace(counted)
		}
		waved := func(name, wave string) string {
			return strings.NewReplacer("metadata: {name: "+name+"}", "metadata: {name: "+name+", annotations: {argocd.argoproj.io/sync-wave: \""+wave+"\"}}",
				"echo started", "echo started "+version).Replace(manifest(name))
		}
		return map[string]string{
			".gitlab-ci.yml": noRun, "deploy/pre.yaml": hook("pre", "PreSync"), "deploy/post.yaml": hook("post", "PostSync"),
			"deploy/first.yaml": waved("stepped-first", "0"), "deploy/second.yaml": waved("stepped-second", "1"),
		}
	}
	r := newRepo(t, "stepped", in("1"))
	must(t, "app", "create", r.name, "--repo", r.name, "--sync", "push")
	r.push()
	if _, err := user.WaitApp(within(t), r.name, 1); err != nil {
		t.Fatal(err)
	}
	volume := filepath.Join(dataDir, "volumes", strings.TrimSpace(must(t, "kubectl", "get", "pvc", "stepped", "-o", "jsonpath={.spec.volumeName}")))
	want := "1\n"
	for i, name := range moments {
		n := i + 2
		r.write(in(fmt.Sprint(n)))
		r.push()
		seen := r.awaitMoment(n, i)
		began := time.Now()
		kill(t)
		back := time.Since(began)
		if _, err := user.WaitApp(within(t), r.name, int64(n)); err != nil {
			t.Fatalf("killed at %q: %v", name, err)
		}
		t.Logf("killed at %q (seen: %q): back after %s, healthy after %s", name, moments[seen], back.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
		r.releases(n)
		want += fmt.Sprintln(n)
		for _, phase := range []string{"pre", "post"} {
			if ran, err := os.ReadFile(filepath.Join(volume, phase)); err != nil || string(ran) != want {
				t.Fatalf("killed at %q: the %s hook ran for releases %q, want %q: %v", name, phase, ran, want, err)
			}
		}
		for _, web := range []string{"stepped-first", "stepped-second"} {
			if g := must(t, "kubectl", "get", "deployment", web, "-o", "jsonpath={.metadata.generation}"); g != fmt.Sprint(n) {
				t.Fatalf("killed at %q: %s was changed %s times by %d releases", name, web, g, n)
			}
		}
	}
}

// awaitMoment returns once release n is at a moment or later, and says where it is.
func (r *repo) awaitMoment(n, want int) int {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) {
		var all api.ReleaseList
		if err := user.Call(r.t.Context(), "GET", user.Path("applications", r.name, "releases"), nil, &all); err != nil {
			r.t.Fatal(err)
		}
		var now *api.Release
		if len(all.Items) > 0 && all.Items[0].Spec.Number == int64(n) {
			now = &all.Items[0]
		}
		if at := moment(now); at >= want {
			return at
		}
		if time.Now().After(end) {
			r.t.Fatalf("release %d of %s is not at %q in a minute: %+v", n, r.name, moments[want], now)
		}
	}
}
