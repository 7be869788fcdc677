package git

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

const trailer = "\n\n[skip ci]\n" + v1alpha1.WriteBackTrailer + "default/shop\n"

func edit(file, text string) Edit {
	return Edit{Namespace: "default", Repository: "w", Branch: "main", Message: "Images of shop" + trailer,
		Change: func(w *Worktree) error { return w.Write(file, []byte(text)) }}
}

func TestWriteToAHostedRepository(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	b.commit("w", "deploy/run.sh", "old")
	b.git("w", "config", "core.fileMode", "false")
	b.git("w", "update-index", "--chmod=+x", "deploy/run.sh")
	b.commit("w", "deploy/app.yaml", "a: 1\n")
	first := b.commit("w", "src/main.go", "package main\n")
	b.git("w", "push", "-q", b.url("w"), "main")
	r := &Reconciler{Host: b.host}

	done, err := r.Write(ctx, edit("deploy/run.sh", "new"))
	if err != nil || !done.New {
		t.Fatal(done, err)
	}
	b.git("w", "pull", "-q", b.url("w"), "main")
	if got := b.git("w", "rev-parse", "HEAD", "HEAD^"); got != done.Commit+"\n"+first {
		t.Fatalf("main is %s", got)
	}
	if got := b.git("w", "show", "--stat", "--format=%an %s", "HEAD"); !strings.Contains(got, "Slipway Images of shop") || !strings.Contains(got, "1 file changed") {
		t.Fatal(got)
	}
	if got := b.git("w", "ls-tree", "HEAD", "deploy/run.sh"); !strings.HasPrefix(got, "100755") {
		t.Fatalf("the mode is lost: %s", got)
	}
	b.git("w", "fsck", "--strict")
	ref := b.status("w").Refs["refs/heads/main"]
	if ref.Commit != done.Commit || ref.Sequence != 2 || ref.Via != v1alpha1.ViaWriteBack || ref.By != Writer || ref.NoRun != "written back by the server for application default/shop" {
		t.Fatalf("recorded as %+v", ref)
	}

	// What changes nothing is no commit.
	again, err := r.Write(ctx, edit("deploy/run.sh", "new"))
	if err != nil || again.New || again.Commit != done.Commit || b.status("w").Sequence != 2 {
		t.Fatal(again, err)
	}

	// A revert restores a directory of an earlier commit and leaves the rest; a branch
	// that is not there begins where it is told to.
	e := edit("", "")
	e.Branch, e.From = "env/prod", done.Commit
	e.Change = func(w *Worktree) error { return errors.Join(w.Restore("deploy", first), w.Restore("never", first)) }
	if done, err = r.Write(ctx, e); err != nil || !done.New {
		t.Fatal(done, err)
	}
	b.git("w", "fetch", "-q", b.url("w"), "env/prod")
	if got := b.git("w", "diff", "--name-only", first, "FETCH_HEAD"); got != "" {
		t.Fatalf("differs from the first commit: %s", got)
	}
	e.Change = func(w *Worktree) error { return w.Restore("src", strings.Repeat("1", 40)) }
	if _, err = r.Write(ctx, e); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	// The last file of a directory takes it along.
	old := b.git("w", "rev-list", "--max-parents=0", "main")
	e.Change = func(w *Worktree) error { return w.Restore("src", old) }
	if _, err = r.Write(ctx, e); err != nil {
		t.Fatal(err)
	}
	b.git("w", "fetch", "-q", b.url("w"), "env/prod")
	if got := b.git("w", "ls-tree", "-r", "--name-only", "FETCH_HEAD"); got != "deploy/app.yaml\ndeploy/run.sh" {
		t.Fatal(got)
	}
}

func TestWriteIsRefused(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	b.commit("w", "dir/file", "x")
	b.git("w", "push", "-q", b.url("w"), "main")
	r := &Reconciler{Host: b.host}
	for want, e := range map[string]Edit{
		"is not a file":      edit("dir", "x"),
		"is not a directory": edit("dir/file/below", "x"),
		"path":               edit("../out", "x"),
	} {
		if _, err := r.Write(ctx, e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	e := edit("x", "y")
	e.Branch = "-main"
	if _, err := r.Write(ctx, e); !errors.Is(err, ErrName) {
		t.Fatal(err)
	}
	// Rules of protection bind the server as they bind people.
	repo := &v1alpha1.Repository{}
	if err := b.client.Get(ctx, keyFor("w"), repo); err != nil {
		t.Fatal(err)
	}
	repo.Spec.Protect = []v1alpha1.ProtectRule{{Pattern: "main", Pushers: &v1alpha1.Pushers{Users: []string{"ann"}}}}
	if err := b.client.Update(ctx, repo); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(ctx, edit("x", "y")); err == nil || !strings.Contains(err.Error(), "branch main is protected: slipway may not push to it") {
		t.Fatal(err)
	}
	repo.Spec.Protect[0].Pushers.Users = []string{"ann", Writer}
	if err := b.client.Update(ctx, repo); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(ctx, edit("x", "y")); err != nil {
		t.Fatal(err)
	}
}

// TestWriteRacesPushes has people and the server write to one branch at once: nobody's
// commit is lost, and a branch that moved is written to from its new head.
func TestWriteRacesPushes(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	b.commit("w", "start", "x")
	b.git("w", "push", "-q", b.url("w"), "main")
	r := &Reconciler{Host: b.host}
	moved := 0
	e := edit("deploy/image", "1")
	e.Change = func(w *Worktree) error {
		if moved++; moved == 1 { // a push comes between the look and the write
			b.commit("w", "pushed", "x")
			b.git("w", "push", "-q", b.url("w"), "main")
		}
		return w.Write("deploy/image", []byte("1"))
	}
	done, err := r.Write(ctx, e)
	if err != nil || moved != 2 {
		t.Fatal(done, err, moved)
	}
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, errs[i] = r.Write(ctx, edit(fmt.Sprint("parallel-", i), "x"))
		}()
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	b.git("w", "pull", "-q", b.url("w"), "main")
	want := "deploy/image parallel-0 parallel-1 parallel-2 parallel-3 pushed start"
	if got := strings.Join(strings.Fields(b.git("w", "ls-tree", "-r", "--name-only", "HEAD")), " "); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	e.Change = func(w *Worktree) error {
		b.commit("w", fmt.Sprint("again-", moved), "x")
		b.git("w", "push", "-q", b.url("w"), "HEAD:main")
		moved++
		return w.Write("deploy/image", []byte(fmt.Sprint(moved)))
	}
	if _, err = r.Write(ctx, e); !errors.Is(err, errMoved) {
		t.Fatalf("it never gives up: %v", err)
	}
}

func TestWriteToARepositoryElsewhere(t *testing.T) {
	ctx := context.Background()
	up := upstream(t)
	up.commit("w", "deploy/app.yaml", "a: 1\n")
	up.git("w", "push", "-q", up.url("w"), "main")
	b := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: up.open("w")}})
	r := &Reconciler{Host: b.host, Remote: Remote{Private: true}}
	look := func() {
		t.Helper()
		if _, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: key}); err != nil {
			t.Fatal(err)
		}
	}
	look()
	e := edit("deploy/app.yaml", "a: 2\n")
	e.Repository = "copy"
	done, err := r.Write(ctx, e)
	if err != nil || !done.New {
		t.Fatal(done, err)
	}
	if got := up.status("w").Refs["refs/heads/main"]; got.Commit != done.Commit {
		t.Fatalf("elsewhere: %+v", got)
	}
	look() // it asked for one itself
	if got := b.status("copy").Refs["refs/heads/main"]; got.Commit != done.Commit || got.NoRun == "" || got.Via != v1alpha1.ViaWriteBack {
		t.Fatalf("here: %+v", got)
	}

	// Somebody pushed there, and the mirror does not know yet: it looks, and then writes
	// on top of that.
	up.git("w", "pull", "-q", up.url("w"), "main")
	theirs := up.commit("w", "theirs", "x")
	up.git("w", "push", "-q", up.url("w"), "main")
	e.Change = func(w *Worktree) error { return w.Write("deploy/app.yaml", []byte("a: 3\n")) }
	if _, err := r.Write(ctx, e); !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
	look()
	if done, err = r.Write(ctx, e); err != nil {
		t.Fatal(err)
	}
	up.git("w", "pull", "-q", up.url("w"), "main")
	if got := up.git("w", "rev-parse", "HEAD", "HEAD^"); got != done.Commit+"\n"+theirs {
		t.Fatal(got)
	}
	// A refusal there is told as it is.
	up.may["update"] = false
	e.Change = func(w *Worktree) error { return w.Write("deploy/app.yaml", []byte("a: 4\n")) }
	if _, err := r.Write(ctx, e); err == nil || errors.Is(err, errMoved) || errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
}

func keyFor(name string) ctrlclient.ObjectKey {
	return ctrlclient.ObjectKey{Namespace: "default", Name: name}
}
