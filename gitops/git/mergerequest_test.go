package git

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

var noon = metav1.NewTime(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))

func after(minutes int) metav1.Time {
	return metav1.NewTime(noon.Add(time.Duration(minutes) * time.Minute))
}

func request(n int64, f ...func(*v1alpha1.MergeRequest)) v1alpha1.MergeRequest {
	m := v1alpha1.MergeRequest{Number: n, Title: "Add", Source: "topic", Target: "main", State: "opened", Updated: noon}
	for _, f := range f {
		f(&m)
	}
	return m
}

func at(minutes int) func(*v1alpha1.MergeRequest) {
	return func(m *v1alpha1.MergeRequest) { m.Updated = after(minutes) }
}
func state(s string) func(*v1alpha1.MergeRequest) {
	return func(m *v1alpha1.MergeRequest) { m.State = s }
}
func head(commit string, seq int64) func(*v1alpha1.MergeRequest) {
	return func(m *v1alpha1.MergeRequest) { m.Commit, m.Sequence = commit, seq }
}
func ofFork(m *v1alpha1.MergeRequest) { m.Fork, m.SourceProject = true, "mallory/x" }
func into(branch string) func(*v1alpha1.MergeRequest) {
	return func(m *v1alpha1.MergeRequest) { m.Target = branch }
}

func TestWhatForgesTellOfMergeRequests(t *testing.T) {
	known := request(7, head("a", 3))
	for _, c := range []struct {
		name    string
		have    []v1alpha1.MergeRequest
		told    v1alpha1.MergeRequest
		changed bool
		want    func(m *v1alpha1.MergeRequest) bool
	}{
		{"new", nil, request(7, head("evil", 99)), true, func(m *v1alpha1.MergeRequest) bool { return m.Commit == "" && m.Sequence == 0 && m.Open() }},
		{"closed before it was known", nil, request(7, state("closed")), false, func(m *v1alpha1.MergeRequest) bool { return m == nil }},
		{"another title", []v1alpha1.MergeRequest{known}, request(7, at(1), func(m *v1alpha1.MergeRequest) { m.Title = "New" }), true,
			func(m *v1alpha1.MergeRequest) bool { return m.Title == "New" && m.Commit == "a" && m.Sequence == 3 }},
		{"the same again", []v1alpha1.MergeRequest{known}, request(7), false, func(m *v1alpha1.MergeRequest) bool { return m.Commit == "a" }},
		{"closed", []v1alpha1.MergeRequest{known}, request(7, at(1), state("closed")), true, func(m *v1alpha1.MergeRequest) bool { return m.State == "closed" && m.Commit == "a" }},
		{"merged", []v1alpha1.MergeRequest{known}, request(7, state("merged")), true, func(m *v1alpha1.MergeRequest) bool { return m.State == "merged" }},
		{"an old one comes late", []v1alpha1.MergeRequest{request(7, at(5), state("closed"))}, request(7, at(1)), false, func(m *v1alpha1.MergeRequest) bool { return m.State == "closed" }},
		{"one of the same second comes late", []v1alpha1.MergeRequest{request(7, state("merged"))}, request(7), false, func(m *v1alpha1.MergeRequest) bool { return m.State == "merged" }},
		{"reopened", []v1alpha1.MergeRequest{request(7, head("a", 3), state("closed"))}, request(7, at(1)), true, func(m *v1alpha1.MergeRequest) bool { return m.Open() && m.Sequence == 0 }},
		{"into another branch", []v1alpha1.MergeRequest{known}, request(7, at(1), into("next")), true, func(m *v1alpha1.MergeRequest) bool { return m.Target == "next" && m.Sequence == 0 }},
		{"a fork stays one", []v1alpha1.MergeRequest{request(7, ofFork)}, request(7, at(1)), true, func(m *v1alpha1.MergeRequest) bool { return m.Fork && m.SourceProject == "mallory/x" }},
		{"of a fork after all", []v1alpha1.MergeRequest{known}, request(7, at(1), ofFork), true, func(m *v1alpha1.MergeRequest) bool { return m.Fork }},
	} {
		st := &v1alpha1.RepositoryStatus{MergeRequests: c.have}
		message, changed := tell(st, c.told, after(9))
		if changed != c.changed || message == "" || !c.want(st.MergeRequest(7)) {
			t.Errorf("%s: %q, changed %v: %+v", c.name, message, changed, st.MergeRequest(7))
		}
	}
}

func TestMergeRequestsAreBounded(t *testing.T) {
	st := &v1alpha1.RepositoryStatus{}
	for i := range v1alpha1.MaxMergeRequests + 50 {
		tell(st, request(int64(i+1), at(i)), noon)
		bound(st, noon.Time)
	}
	if n := len(st.MergeRequests); n != v1alpha1.MaxMergeRequests || st.MergeRequest(50) != nil || st.MergeRequest(51) == nil {
		t.Fatalf("%d are kept, and not those that changed last", n)
	}
	for i := range v1alpha1.MaxMergeRequests {
		tell(st, request(int64(i+51), at(1000+i), state("closed")), after(1000))
	}
	for i := range v1alpha1.MaxMergeRequests {
		tell(st, request(int64(i+1001), at(2000)), after(1000))
	}
	bound(st, after(1001).Time)
	if n := len(st.MergeRequests); n != 2*v1alpha1.MaxMergeRequests {
		t.Fatalf("%d, which is more or less than the type takes", n)
	}
	bound(st, after(1000+61).Time)
	if n := len(st.MergeRequests); n != v1alpha1.MaxMergeRequests {
		t.Fatalf("%d: those that are over stay", n)
	}
}

func TestAdvanceMergeRequests(t *testing.T) {
	ref := v1alpha1.MergeRequestRef(7)
	for _, c := range []struct {
		name    string
		have    v1alpha1.MergeRequest
		branch  string // commit of refs/heads/topic
		heads   map[string]string
		updates []Update
		moves   map[string]move
		want    func(m *v1alpha1.MergeRequest) bool
	}{
		{"by its ref", request(7), "", map[string]string{ref: "b"}, nil, nil, func(m *v1alpha1.MergeRequest) bool { return m.Commit == "b" && m.Sequence == 11 && m.Seen != nil }},
		{"by its branch", request(7), "b", nil, nil, nil, func(m *v1alpha1.MergeRequest) bool { return m.Commit == "b" && m.Sequence == 11 }},
		{"a fork's branch of that name is not ours", request(7, ofFork), "b", nil, nil, nil,
			func(m *v1alpha1.MergeRequest) bool {
				return m.Commit == "" && m.Sequence == 0 && strings.Contains(m.Message, "fork")
			}},
		{"no branch", request(7), "", nil, nil, nil, func(m *v1alpha1.MergeRequest) bool { return strings.Contains(m.Message, "topic") }},
		{"further", request(7, head("a", 3)), "b", nil, nil, nil, func(m *v1alpha1.MergeRequest) bool { return m.Commit == "b" && m.Before == "a" && m.Sequence == 11 }},
		{"as before", request(7, head("a", 3)), "a", nil, nil, nil, func(m *v1alpha1.MergeRequest) bool { return m.Sequence == 3 && m.Before == "" }},
		{"again", request(7, head("a", 0)), "a", nil, nil, nil, func(m *v1alpha1.MergeRequest) bool { return m.Sequence == 11 && m.Commit == "a" && m.Before == "" }},
		{"its branch went", request(7, head("a", 3)), "", nil, []Update{{Ref: "refs/heads/topic", Before: "a"}}, nil, func(m *v1alpha1.MergeRequest) bool { return m.State == "closed" }},
		{"another's branch went", request(7, ofFork, head("a", 3)), "", map[string]string{ref: "a"}, []Update{{Ref: "refs/heads/topic", Before: "a"}}, nil, func(m *v1alpha1.MergeRequest) bool { return m.Open() }},
		{"it came into its target", request(7, head("a", 3)), "a", nil, nil, map[string]move{"refs/heads/main": {brought: map[string]bool{"a": true}}}, func(m *v1alpha1.MergeRequest) bool { return m.State == "merged" }},
		{"it came into another", request(7, head("a", 3)), "a", nil, nil, map[string]move{"refs/heads/next": {brought: map[string]bool{"a": true}}}, func(m *v1alpha1.MergeRequest) bool { return m.Open() }},
		{"closed", request(7, head("a", 3), state("closed"), func(m *v1alpha1.MergeRequest) { m.Seen = &noon }), "b", nil, nil, nil, func(m *v1alpha1.MergeRequest) bool { return m.Commit == "a" }},
	} {
		st := &v1alpha1.RepositoryStatus{Sequence: 10, Refs: map[string]v1alpha1.RefStatus{}, MergeRequests: []v1alpha1.MergeRequest{c.have}}
		if c.branch != "" {
			st.Refs["refs/heads/topic"] = v1alpha1.RefStatus{Commit: c.branch}
		}
		advance(st, c.heads, c.updates, c.moves, after(1).Time)
		if m := st.MergeRequest(7); m == nil || !c.want(m) {
			t.Errorf("%s: %+v", c.name, m)
		}
	}
}

// TestMergeRequestsOfForges follows one of a fork (GitHub's ref, GitLab's, Bitbucket's)
// and one of a branch from opened to merged, with real repositories.
func TestMergeRequestsOfForges(t *testing.T) {
	for _, form := range forgeRefs {
		t.Run(strings.ReplaceAll(form, "/", " "), func(t *testing.T) {
			up := upstream(t)
			main := up.commit("w", "a", "1")
			up.git("w", "push", "-q", up.url("w"), "main")
			bare := filepath.Join(up.host.Dir, "default", "w.git")
			// A fork's commits are at the forge under a ref of their own only.
			pull := func(commit string) {
				t.Helper()
				up.git("w", "push", "-q", "-f", up.url("w"), commit+":refs/heads/tmp")
				if out, err := exec.Command("git", "--git-dir", bare, "update-ref", fmt.Sprintf(form, 7), commit).CombinedOutput(); err != nil {
					t.Fatal(string(out))
				}
				up.git("w", "push", "-q", up.url("w"), ":tmp")
			}
			b := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: up.open("w")}})
			r := &Reconciler{Host: b.host, Remote: Remote{Private: true}}
			reconcile := func() *v1alpha1.RepositoryStatus {
				t.Helper()
				r.Kick("default", "copy")
				if _, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key}); err != nil {
					t.Fatal(err)
				}
				st := b.status("copy")
				return &st
			}
			told := func(m v1alpha1.MergeRequest) string {
				t.Helper()
				message, err := r.MergeRequest(context.Background(), "default", "copy", m)
				if err != nil {
					t.Fatal(err)
				}
				return message
			}
			reconcile()
			if got := told(request(6, func(m *v1alpha1.MergeRequest) { m.Source = "--upload-pack=x" })); !strings.Contains(got, "not taken") {
				t.Fatal(got)
			}
			told(request(7, ofFork, func(m *v1alpha1.MergeRequest) { m.Source = "main" }))
			if m := reconcile().MergeRequest(7); m.Commit != "" || m.Message == "" || m.Sequence != 0 {
				t.Fatalf("a fork's head is not known yet: %+v", m)
			}
			up.git("w", "checkout", "-q", "-b", "theirs")
			first := up.commit("w", "b", "theirs")
			pull(first)
			st := reconcile()
			if m := st.MergeRequest(7); m.Commit != first || m.Sequence != 2 || m.Message != "" {
				t.Fatalf("%+v", m)
			}
			if len(st.Refs) != 1 || st.Refs["refs/heads/main"].Commit != main {
				t.Fatalf("a merge request became a branch: %+v", st.Refs)
			}
			if got, err := b.host.File(context.Background(), "default", "copy", first, "b"); err != nil || string(got) != "theirs" {
				t.Fatal(string(got), err)
			}
			second := up.commit("w", "b", "theirs, better")
			pull(second)
			if m := reconcile().MergeRequest(7); m.Commit != second || m.Before != first || m.Sequence != 3 {
				t.Fatalf("%+v", m)
			}
			// One of a branch of the repository, which polling follows as well.
			up.git("w", "checkout", "-q", "-b", "topic", "main")
			ours := up.commit("w", "c", "ours")
			up.git("w", "push", "-q", up.url("w"), "topic")
			told(request(8))
			if m := reconcile().MergeRequest(8); m.Commit != ours || m.Sequence == 0 {
				t.Fatalf("%+v", m)
			}
			// Both are merged, which nobody tells.
			up.git("w", "checkout", "-q", "main")
			up.git("w", "merge", "-q", "--no-ff", "-m", "Merge", "theirs")
			up.git("w", "merge", "-q", "--no-ff", "-m", "Merge", "topic")
			up.git("w", "push", "-q", up.url("w"), "main", ":topic")
			st = reconcile()
			if a, b := st.MergeRequest(7), st.MergeRequest(8); a.State != "merged" || b.State != "merged" {
				t.Fatalf("%+v %+v", a, b)
			}
			if got := told(request(7, at(1), ofFork, state("merged"))); !strings.Contains(got, "merged") {
				t.Fatal(got)
			}
		})
	}
}

func TestMergeRequestOfNoSuchOrHostedRepository(t *testing.T) {
	b := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}})
	r := &Reconciler{Host: b.host}
	for name, want := range map[string]string{"none": "gone", "copy": "hosted here"} {
		if got, err := r.MergeRequest(context.Background(), "default", name, request(1)); err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	var repo v1alpha1.Repository
	if err := b.client.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: "copy"}, &repo); err != nil || repo.Status.MergeRequests != nil {
		t.Error(repo.Status, err)
	}
}
