package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	api "slipway.dev/cluster/api/v1alpha1"
)

// packSize makes a push long enough to be hit in the middle.
const packSize = 24 << 20

// fill commits a file that does not compress and returns the commit.
func (r *repo) fill() string {
	r.t.Helper()
	b := make([]byte, packSize)
	_, _ = rand.Read(b) // never fails
	r.write(map[string]string{"noise": string(b)})
	r.commit()
	return strings.TrimSpace(r.git("rev-parse", "HEAD"))
}

// head of the branch as the server tells it; empty where there is none.
func (r *repo) head() string {
	r.t.Helper()
	hash, _, _ := strings.Cut(r.git("ls-remote", r.url(), "refs/heads/main"), "\t")
	return hash
}

// runsOf the commit.
func (r *repo) runsOf(commit string) (names []string) {
	r.t.Helper()
	var all api.RunList
	if err := user.Call(r.t.Context(), "GET", user.Path("runs"), nil, &all); err != nil {
		r.t.Fatal(err)
	}
	for _, run := range all.Items {
		if run.Spec.Repository == r.name && run.Spec.Commit == commit {
			names = append(names, run.Name)
		}
	}
	return names
}

type pushed struct {
	out string
	err error
}

// pushWhile pushes in the background, as git does for people.
func (r *repo) pushWhile() <-chan pushed {
	r.t.Helper()
	token, err := user.Token()
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan pushed, 1)
	go func() {
		out, err := r.command(token, "push", "-o", "ci.variable=PUSHED=yes", r.url(), "HEAD:main")
		done <- pushed{out, err}
	}()
	return done
}

// consistent holds the server, after its restart, to what git was told: what was
// acknowledged is there; what is there has one run, with the variable of the push; what
// is not there can be pushed again and then has one.
func (r *repo) consistent(before, commit string, p pushed) {
	r.t.Helper()
	switch head := r.head(); {
	case head != before && head != commit:
		r.t.Fatalf("main is at %s, neither %s nor %s", head, before, commit)
	case p.err == nil && head != commit:
		r.t.Fatalf("git said that the push succeeded, and main is at %q:\n%s", head, p.out)
	case head == before:
		if runs := r.runsOf(commit); len(runs) > 0 {
			r.t.Errorf("runs %v of a commit that is not there", runs)
		}
		if again := <-r.pushWhile(); again.err != nil {
			r.t.Fatalf("the push cannot be done again: %v\n%s", again.err, again.out)
		}
		if head := r.head(); head != commit {
			r.t.Fatalf("pushed again, and main is at %s", head)
		}
	}
	eventually(r.t, func() error {
		if runs := r.runsOf(commit); len(runs) != 1 {
			return fmt.Errorf("main is at %s, which has the runs %v; want one", commit, runs)
		}
		return nil
	})
	for _, name := range r.runsOf(commit) {
		var run api.Run
		if err := user.Call(r.t.Context(), "GET", user.Path("runs", name), nil, &run); err != nil || run.Spec.Variables["PUSHED"] != "yes" || run.Spec.By == "" {
			r.t.Errorf("what the push said is lost: %v %+v", err, run.Spec)
		}
	}
	if out, err := r.command("", "-C", gitDir(r.name), "fsck", "--connectivity-only"); err != nil {
		r.t.Errorf("fsck: %v\n%s", err, out)
	}
}

func gitDir(name string) string { return filepath.Join(dataDir, "git", "default", name+".git") }

// gitChildren are the git processes of the server, each the leader of its group.
func gitChildren(t *testing.T) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range stats {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // gone meanwhile
		}
		var pid, parent int
		var name, state string
		if n, _ := fmt.Sscanf(string(b), "%d %s %s %d", &pid, &name, &state, &parent); n == 4 && name == "(git)" && parent == server.cmd.Process.Pid {
			pids = append(pids, pid)
		}
	}
	return pids
}

// receiving waits until the server takes the push, and says whether it came to that.
func receiving(t *testing.T, done <-chan pushed) bool {
	t.Helper()
	for {
		for _, pid := range gitChildren(t) {
			if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(b), "receive-pack\x00--stateless-rpc\x00.") {
				return true
			}
		}
		select {
		case <-done:
			return false
		case <-time.After(time.Millisecond):
		}
	}
}

// stored waits until the branch's file has the commit.
func (r *repo) stored(commit string) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(time.Millisecond / 2) {
		if b, err := os.ReadFile(filepath.Join(gitDir(r.name), "refs", "heads", "main")); err == nil && strings.TrimSpace(string(b)) == commit {
			return
		}
	}
	r.t.Fatalf("%s was not stored", commit)
}

// measured is how long the server takes for one more pack undisturbed, from the
// start of receive-pack to the client's end.
func (r *repo) measured() time.Duration {
	r.t.Helper()
	r.fill()
	done := r.pushWhile()
	if !receiving(r.t, done) {
		r.t.Fatal("nobody saw the push come in")
	}
	began := time.Now()
	if p := <-done; p.err != nil {
		r.t.Fatalf("push: %v\n%s", p.err, p.out)
	}
	return time.Since(began)
}

const oneJob = "say: {image: busybox, script: [echo pushed]}\n"

// TestKilledDuringPush kills the server at moments all over a push (more of them in the soak
// test), the last of them when the branch has moved and nobody has recorded it. In every
// other round git's own processes go with it, as in a power cut.
func TestKilledDuringPush(t *testing.T) {
	alone(t)
	r := newRepo(t, "cut", map[string]string{".gitlab-ci.yml": oneJob})
	r.push()
	r.finished()
	whole := r.measured()
	moments := []float64{0, 0.4, 0.8, 1}
	if os.Getenv(soakEnv) != "" {
		moments = []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1}
	}
	for i, at := range moments {
		before := r.head()
		commit := r.fill()
		done := r.pushWhile()
		if !receiving(t, done) {
			t.Fatal("nobody saw the push come in")
		}
		if at == 1 {
			r.stored(commit) // on disk, and not yet in the Repository's status
		} else {
			<-time.After(time.Duration(at * float64(whole)))
		}
		var children []int
		if i%2 == 1 {
			children = gitChildren(t)
		}
		if err := server.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, pid := range children {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // it may have ended
		}
		<-server.done
		p := <-done
		restart(t)
		t.Logf("killed at %.0f%% of %s, with %d git processes: %v %s", 100*at, whole.Round(time.Millisecond), len(children), p.err, lastLine(p.out))
		r.consistent(before, commit, p)
	}
	// A lock that a power cut left must not close the branch for ever.
	server.signal(syscall.SIGKILL)
	for _, lock := range []string{"refs/heads/main.lock", "packed-refs.lock", "HEAD.lock"} {
		if err := os.WriteFile(filepath.Join(gitDir(r.name), lock), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	restart(t)
	before, commit := r.head(), r.fill()
	r.consistent(before, commit, <-r.pushWhile())
	r.ends(commit)
}

// ends waits for the commit's run, and with it for all before it.
func (r *repo) ends(commit string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for _, name := range r.runsOf(commit) {
		run, err := user.WaitRun(ctx, name, func(r *api.Run) bool { return r.Status.Phase.Finished() })
		if err != nil || run.Status.Phase != api.Succeeded {
			r.t.Errorf("run %s: %v %+v", name, err, run.Status)
		}
	}
}

// TestPushDuringShutdown asks the server to stop in the middle of pushes: each is
// completed, or refused in words.
func TestPushDuringShutdown(t *testing.T) {
	alone(t)
	r := newRepo(t, "leaving", map[string]string{".gitlab-ci.yml": oneJob})
	r.push()
	r.finished()
	whole := r.measured()
	for i := range 4 {
		before := r.head()
		commit := r.fill()
		done := r.pushWhile()
		if i > 0 && !receiving(t, done) {
			t.Fatal("nobody saw the push come in")
		}
		<-time.After(whole * time.Duration(i) / 4)
		if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p := <-done
		<-server.done
		// One that comes at that very moment finds nobody, or a connection that ends before it was read.
		refused := func(words string) bool { return strings.Contains(p.out, words) }
		if p.err != nil && !slices.ContainsFunc([]string{"the server is shutting down", "Failed to connect", "Couldn't connect", "Empty reply from server", "Connection reset by peer"}, refused) {
			t.Errorf("neither completed nor refused in words: %v\n%s", p.err, p.out)
		}
		restart(t)
		t.Logf("round %d: git said: %v %s", i, p.err, lastLine(p.out))
		r.consistent(before, commit, p)
		if i == 3 {
			r.ends(commit)
		}
	}
	if strings.Contains(serverLog(1<<20), `"component did not stop in time" part=kubernetes component=kube-apiserver`) {
		t.Error("the API server waits for watches that nobody ends")
	}
}

// TestEveryPushHasARun: pushes that follow each other as fast as git can, to one branch,
// are each told the address of a run, and that is there.
func TestEveryPushHasARun(t *testing.T) {
	together(t)
	r := newRepo(t, "hasty", map[string]string{".gitlab-ci.yml": oneJob})
	var told []string
	for range 8 {
		out := r.push()
		if !strings.Contains(out, "/runs/default/"+r.run()) {
			t.Errorf("told nothing of %s:\n%s", r.run(), out)
		}
		told = append(told, r.run())
	}
	for _, name := range told {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if run, err := user.WaitRun(ctx, name, over); err != nil {
			t.Errorf("%s: %v %v", name, err, run)
		}
		cancel()
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
