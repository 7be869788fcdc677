package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// podsOf tells which containers of a deployment run and how often they restarted.
func podsOf(t *testing.T, label string) string {
	t.Helper()
	return must(t, "kubectl", "get", "pods", "-l", label, "-o",
		`jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount}{"\n"}{end}`)
}

// list reads objects of the tenant's namespace into a struct with the fields of interest.
func list[T any](t *testing.T, args ...string) ([]T, error) {
	t.Helper()
	out, err := slipway(t, append([]string{"kubectl", "get", "-o", "json"}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var all struct{ Items []T }
	return all.Items, json.Unmarshal([]byte(out), &all)
}

// pod is one as far as these tests look at it.
type pod struct {
	Metadata struct{ Name, UID, DeletionTimestamp string }
	Status   struct {
		ContainerStatuses []struct {
			ContainerID  string
			RestartCount int
			Ready        bool
		}
	}
}

// container is what a healthy release must keep through everything: its id, and that
// it was never started again.
func (p pod) container() string {
	for _, c := range p.Status.ContainerStatuses {
		if c.ContainerID == "" {
			break
		}
		return fmt.Sprintf("%s restarted %d times", c.ContainerID, c.RestartCount)
	}
	return "none"
}

func (p pod) ready() bool {
	return len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].Ready
}

// containers by the UIDs of the pods that are to stay.
func containers(t *testing.T, app string) (map[string]string, error) {
	t.Helper()
	pods, err := list[pod](t, "pods", "-l", "app="+app)
	found := map[string]string{}
	for _, p := range pods {
		if p.Metadata.DeletionTimestamp == "" {
			found[p.Metadata.UID] = p.container()
		}
	}
	return found, err
}

// rollout is a release on its way: its new pod is ready when it is told to be.
type rollout struct {
	t      *testing.T
	r      *repo
	number int
	old    map[string]string // containers of the healthy release
	fresh  string            // the new pod
}

// gated makes pods of the manifest ready once they have a file.
var gated = strings.NewReplacer("tcpSocket: {port: 8080}", "exec: {command: [test, -e, /go]}")

// rollOut pushes a change and returns in the middle of its rollout: the release is
// progressing, and its pod runs and is not ready.
func (r *repo) rollOut(number int) *rollout {
	r.t.Helper()
	old, err := containers(r.t, r.name)
	if err != nil || len(old) != 1 {
		r.t.Fatalf("%s: want one pod before the rollout: %v %v", r.name, old, err)
	}
	r.write(map[string]string{"deploy/web.yaml": gated.Replace(strings.Replace(manifest(r.name), "echo started", fmt.Sprint("echo again ", number), 1))})
	r.push()
	o := &rollout{t: r.t, r: r, number: number, old: old}
	eventually(r.t, func() error { _, err := o.state(); return err })
	o.stuck()
	return o
}

// stuck holds the rollout to be under way still.
func (o *rollout) stuck() {
	o.t.Helper()
	ready, err := o.state()
	result := must(o.t, "kubectl", "get", "release", fmt.Sprintf("%s-%d", o.r.name, o.number), "-o", "jsonpath={.status.result}")
	if err != nil || ready || result != string(api.ReleaseProgressing) {
		o.t.Fatalf("release %d of %s is %q, its pod ready: %v, %v", o.number, o.r.name, result, ready, err)
	}
}

// state says whether the new pod is ready; until then the old one must run as it did.
func (o *rollout) state() (ready bool, err error) {
	o.t.Helper()
	pods, err := list[pod](o.t, "pods", "-l", "app="+o.r.name)
	if err != nil {
		return false, err
	}
	kept, fresh := map[string]string{}, 0
	for _, p := range pods {
		if p.Metadata.DeletionTimestamp != "" {
			continue
		}
		if o.old[p.Metadata.UID] != "" {
			kept[p.Metadata.UID] = p.container()
			continue
		}
		fresh++
		o.fresh = p.Metadata.Name
		ready = ready || p.ready()
		if p.container() == "none" {
			err = fmt.Errorf("%s: the pod of release %d does not run yet", o.r.name, o.number)
		}
	}
	if !ready && !maps.Equal(kept, o.old) {
		events, _ := slipway(o.t, "kubectl", "get", "events", "--sort-by=.lastTimestamp")
		o.t.Fatalf("%s: the healthy pod changed before the new one was ready: %v was %v\n%+v\n%s", o.r.name, kept, o.old, pods, events)
	}
	if fresh == 0 {
		return false, fmt.Errorf("%s: no pod of release %d", o.r.name, o.number)
	}
	if fresh > 1 {
		o.t.Fatalf("%s: %d pods of release %d", o.r.name, fresh, o.number)
	}
	return ready, err
}

// ends lets the new pod be ready and watches the rollout to its end: the old pod serves
// until then, and there is one release for each commit.
func (o *rollout) ends() {
	o.t.Helper()
	o.stuck()
	eventually(o.t, func() error {
		if out, err := slipway(o.t, "kubectl", "exec", o.fresh, "--", "touch", "/go"); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	eventually(o.t, func() error {
		ready, err := o.state()
		if err == nil && !ready {
			err = fmt.Errorf("%s: release %d is not ready", o.r.name, o.number)
		}
		return err
	})
	if _, err := user.WaitApp(within(o.t), o.r.name, int64(o.number)); err != nil {
		o.t.Fatal(err)
	}
	// The old pod goes once the new one serves.
	eventually(o.t, func() error {
		pods, err := list[pod](o.t, "pods", "-l", "app="+o.r.name)
		if err == nil && len(pods) != 1 {
			err = fmt.Errorf("%s: %d pods after the rollout", o.r.name, len(pods))
		}
		return err
	})
	o.r.releases(o.number)
}

// releases holds the repository to so many, each of a commit of its own and healthy.
func (r *repo) releases(want int) {
	r.t.Helper()
	all, err := list[api.Release](r.t, "releases.slipway.dev")
	if err != nil {
		r.t.Fatal(err)
	}
	commits := map[string]int64{}
	for _, rel := range all {
		if rel.Spec.Application != r.name {
			continue
		}
		if rel.Status.Result != api.ReleaseHealthy || commits[rel.Spec.Desired.Commit] != 0 {
			r.t.Errorf("release %s is %s: %s; its commit is that of release %d", rel.Name, rel.Status.Result, rel.Status.Reason, commits[rel.Spec.Desired.Commit])
		}
		commits[rel.Spec.Desired.Commit] = rel.Spec.Number
	}
	if len(commits) != want {
		r.t.Errorf("%s has releases %v, want %d", r.name, commits, want)
	}
}

// says waits until the log of a job of the newest run has text.
func (r *repo) says(job, text string) {
	r.t.Helper()
	eventually(r.t, func() error {
		var b strings.Builder
		err := user.JobLog(r.t.Context(), &b, r.run(), job, false)
		if err == nil && !strings.Contains(b.String(), text) {
			err = fmt.Errorf("job %s does not say %q yet: %s", job, text, b.String())
		}
		return err
	})
}

// attempts holds the newest run to one TaskRun and one pod for each attempt of each job.
func (r *repo) attempts(run *api.Run) {
	r.t.Helper()
	want := map[string]int{}
	for _, j := range run.Status.Jobs {
		want[j.Name] = j.Attempt
	}
	type labelled struct {
		Metadata struct {
			Name   string
			Labels map[string]string
		}
	}
	for _, kind := range []string{"taskruns.tekton.dev", "pods"} {
		all, err := list[labelled](r.t, kind, "-l", api.LabelRun+"="+run.Name)
		if err != nil {
			r.t.Fatal(err)
		}
		got := map[string]int{}
		for _, o := range all {
			got[o.Metadata.Labels[api.LabelJob]]++
		}
		if !maps.Equal(got, want) {
			r.t.Errorf("run %s: %s by job %v, attempts %v", run.Name, kind, got, want)
		}
	}
}

// TestKilledServer is killed in the middle of a build, in the middle of a rollout and at
// rest: what was acknowledged is finished, nothing happens twice, and no pod of a healthy
// release restarts.
func TestKilledServer(t *testing.T) {
	alone(t)
	steady := newRepo(t, "steady", map[string]string{"deploy/web.yaml": manifest("steady")})
	steady.push()
	if _, err := user.WaitApp(within(t), "steady", 1); err != nil {
		t.Fatal(err)
	}
	before := podsOf(t, "app=steady")

	r := newRepo(t, "killed", map[string]string{
		"Dockerfile":      "FROM busybox\nCOPY stamp /stamp\nRUN sleep 5\n",
		"stamp":           "1",
		"deploy/web.yaml": strings.Replace(manifest("killed"), "image: busybox", "image: registry.slipway.internal/default/killed", 1),
	})
	r.push()
	r.says("build", "RUN sleep")
	kill(t) // in the middle of the build
	if after := podsOf(t, "app=steady"); after != before {
		t.Errorf("pods of a healthy release changed:\n%s\n%s", before, after)
	}
	run := r.finished()
	r.attempts(run)
	if run.Status.Phase != api.Succeeded {
		// The attempt that the kill hit may be reported as failed; asked again it has to work.
		if run.Status.Message == "" && jobOf(run, "build").Message == "" {
			t.Errorf("run %s failed and does not say why", run.Name)
		}
		must(t, "run", "rerun", "--failed", "--wait", run.Name)
		run = r.finished()
	}
	t.Logf("the build that was hit: %d attempts, %q", jobOf(run, "build").Attempt, jobOf(run, "build").Message)
	if _, err := user.WaitApp(within(t), "killed", 1); err != nil {
		t.Fatal(err)
	}
	r.releases(1)
	if runs := r.runsOf(run.Spec.Commit); len(runs) != 1 {
		t.Errorf("runs of one push: %v", runs)
	}

	roll := steady.rollOut(2)
	kill(t) // in the middle of the rollout
	roll.ends()

	after := podsOf(t, "app=steady")
	kill(t) // at rest
	if _, err := user.WaitApp(within(t), "steady", 2); err != nil {
		t.Fatal(err)
	}
	if again := podsOf(t, "app=steady"); again != after || before == after {
		t.Errorf("pods changed over a restart of the server:\n%s\n%s\n%s", before, after, again)
	}
	steady.releases(2)
}

// TestKilledDaemons come back while a job and a rollout are under way: neither notices,
// and the pods of the healthy release least of all.
func TestKilledDaemons(t *testing.T) {
	alone(t)
	calm := newRepo(t, "calm", map[string]string{"deploy/web.yaml": manifest("calm")})
	calm.push()
	if _, err := user.WaitApp(within(t), "calm", 1); err != nil {
		t.Fatal(err)
	}
	work := newRepo(t, "working", map[string]string{".gitlab-ci.yml": `count: {image: busybox, script: ["for i in $(seq 60); do echo line $i of 60; sleep 0.2; done"]}` + "\n"})
	for i, names := range [][]string{{"containerd"}, {"buildkitd", "kube-proxy", "kubelet", "observe"}} {
		work.push()
		work.says("count", "line 2 of 60")
		roll := calm.rollOut(2 + i)
		killDaemons(t, names...)
		roll.ends()
		run := work.succeeded()
		work.attempts(run)
		if n := jobOf(run, "count").Attempt; n != 1 {
			t.Errorf("%v killed: the job took %d attempts", names, n)
		}
		log := work.log("count")
		for line := range 60 {
			if n := strings.Count(log, fmt.Sprintf("line %d of 60\n", line+1)); n != 1 {
				t.Errorf("%v killed: line %d is in the log %d times:\n%s", names, line+1, n, log)
				break
			}
		}
	}
}

// killDaemons kills children of the server at once and waits until others work.
func killDaemons(t *testing.T, names ...string) {
	t.Helper()
	record := func(name string) (pid int) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dataDir, "run", name+".pid"))
		var r struct{ PID int }
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		if err != nil {
			return 0 // between two
		}
		return r.PID
	}
	before := map[string]int{}
	for _, name := range names {
		if before[name] = record(name); before[name] == 0 {
			t.Fatalf("%s does not run", name)
		}
	}
	for _, pid := range before {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() error {
		for name, pid := range before {
			if now := record(name); now == 0 || now == pid {
				return fmt.Errorf("%s was not started again", name)
			}
		}
		s, err := user.Status(t.Context())
		if err == nil && !s.Ready {
			err = fmt.Errorf("not ready: %s", s.Missing())
		}
		return err
	})
}
