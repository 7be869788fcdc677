package boards

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/git"
	"slipway.dev/observability/dashboard/stored"
)

// repository has files by commit and path; a value that begins with "->" is a link.
type repository struct {
	commits map[string]map[string]string
	reads   int
}

func (r *repository) in(commit string) (map[string]string, error) {
	files, ok := r.commits[commit]
	if !ok {
		return nil, fmt.Errorf("commit %s: %w", commit, git.ErrNotFound)
	}
	return files, nil
}

func (r *repository) Exists(_ context.Context, _, _, commit, path string) (bool, error) {
	r.reads++
	files, err := r.in(commit)
	for name := range files {
		if name == path || strings.HasPrefix(name, path+"/") {
			return true, err
		}
	}
	return false, err
}

func (r *repository) Tree(_ context.Context, _, _, commit, dir string) (out []git.Entry, err error) {
	files, err := r.in(commit)
	for name, text := range files {
		if !strings.HasPrefix(name, dir+"/") {
			continue
		}
		e := git.Entry{Path: name, Kind: "file", Size: int64(len(text))}
		if strings.HasPrefix(text, "->") {
			e.Kind = "link"
		}
		out = append(out, e)
	}
	if err == nil && len(out) == 0 {
		err = git.ErrNotFound
	}
	return out, err
}

func (r *repository) File(_ context.Context, _, _, commit, path string) ([]byte, error) {
	files, err := r.in(commit)
	return []byte(files[path]), err
}

func board(uid string) string {
	return `{"uid":"` + uid + `","title":"T","panels":[{"type":"text"}]}`
}

func TestFollower(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := slipway.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKey{Namespace: "default", Name: "shop"}
	repo := &slipway.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Finalizers: []string{"x/y"}}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(repo).WithStatusSubresource(repo).Build()
	data := &repository{commits: map[string]map[string]string{
		"none": {"README.md": "# shop"}, "file": {"dashboards": "no directory"},
		"good": {"dashboards/a.json": board("a"), "dashboards/b.json": board("b"), "dashboards/notes.md": "#"},
		"bad":  {"dashboards/a.json": board("a"), "dashboards/b.json": "{\n  \"uid\":\n}", "dashboards/c.json": "->/etc/passwd"},
		"many": {},
	}}
	for i := range 9 {
		data.commits["many"][fmt.Sprintf("dashboards/%d.json", i)] = "{"
	}
	dir := t.TempDir()
	store, err := stored.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	recorder, changes := events.NewFakeRecorder(100), 0
	f := &Follower{Client: c, Git: data, Store: store, Events: recorder, Log: slog.New(slog.DiscardHandler), Changed: func() { changes++ }}
	reconcile := func() error {
		_, err := f.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
		return err
	}
	for _, step := range []struct {
		commit, fails string
		count         int
		changed       bool
		message       string // of the condition; "": there is none
		event         bool
	}{
		{"", "", 0, false, "", false},
		{"none", "", 0, false, "", false},
		{"file", "", 0, false, "", false},
		{"good", "", 2, true, "True 2 dashboards", false},
		{"bad", "", 2, false, `False dashboards/b.json:3:1: invalid character '}' looking for beginning of value; dashboards/c.json: it is a symbolic link; put the file itself there`, true},
		{"gone", "commit gone", 2, false, "False dashboards/b.json:3:1", false},
		{"good", "", 2, false, "True 2 dashboards", false},
		{"many", "", 0, true, "False dashboards/0.json:1:2: ", true},
		{"none", "", 0, false, "", false},
	} {
		var now slipway.Repository
		if err := c.Get(t.Context(), key, &now); err != nil {
			t.Fatal(err)
		}
		now.Status.DefaultBranch, now.Status.Refs = "main", map[string]slipway.RefStatus{"refs/heads/main": {Commit: step.commit}}
		if err := c.Status().Update(t.Context(), &now); err != nil {
			t.Fatal(err)
		}
		changes = 0
		if err := reconcile(); step.fails == "" && err != nil || step.fails != "" && (err == nil || !strings.Contains(err.Error(), step.fails)) {
			t.Errorf("%s: %v", step.commit, err)
		}
		reads := data.reads
		if err := reconcile(); step.fails == "" && (err != nil || data.reads != reads) {
			t.Errorf("%s: the same commit is read again, %v", step.commit, err)
		}
		if n := len(store.List("default")); n != step.count || (changes > 0) != step.changed {
			t.Errorf("%s: %d dashboards, %d changes", step.commit, n, changes)
		}
		if err := c.Get(t.Context(), key, &now); err != nil {
			t.Fatal(err)
		}
		got := ""
		if cond := meta.FindStatusCondition(now.Status.Conditions, slipway.ConditionDashboards); cond != nil {
			got = string(cond.Status) + " " + cond.Message
		}
		if !strings.HasPrefix(got, step.message) || step.message == "" && got != "" {
			t.Errorf("%s: condition %q", step.commit, got)
		}
		if step.commit == "many" && !strings.HasSuffix(got, "; and 4 more") {
			t.Errorf("not bounded: %q", got)
		}
		if sent := len(recorder.Events) > 0; sent != step.event {
			t.Errorf("%s: event: %v", step.commit, sent)
		}
		for len(recorder.Events) > 0 {
			if e := <-recorder.Events; !strings.Contains(e, "Warning BadDashboard dashboards/") {
				t.Errorf("event %s", e)
			}
		}
	}

	if _, err := store.Put(stored.Owner{Namespace: "default", Repository: "shop"}, "good", nil); err != nil {
		t.Fatal(err)
	}
	repo = &slipway.Repository{}
	if err := c.Get(t.Context(), key, repo); err != nil {
		t.Fatal(err)
	}
	repo.Status.Refs = map[string]slipway.RefStatus{"refs/heads/main": {Commit: "bad"}}
	if err := c.Status().Update(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	if err := reconcile(); err != nil || len(store.List("default")) != 1 {
		t.Errorf("%d, %v", len(store.List("default")), err)
	}
	if err := c.Delete(t.Context(), repo); err != nil { // it is being deleted: the finalizer holds it
		t.Fatal(err)
	}
	if err := reconcile(); err != nil || len(store.List("default")) != 0 {
		t.Errorf("of a deleted repository: %d, %v", len(store.List("default")), err)
	}
	if store, err = stored.Open(dir); err != nil || len(store.List("default")) != 0 {
		t.Errorf("after a restart: %v", err)
	}
}
