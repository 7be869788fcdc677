package git

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/outside"
)

var key = types.NamespacedName{Namespace: "default", Name: "copy"}

// upstream is a second server whose repositories anybody may read.
func upstream(t *testing.T) *bench {
	up := newBench(t)
	up.host.Authenticate = anonymous
	return up
}

func (b *bench) open(repo string) string { return b.server.URL + "/git/" + repo + ".git" }

func TestMirror(t *testing.T) {
	up := upstream(t)
	first := up.commit("w", "a", "1")
	up.git("w", "tag", "old")
	up.git("w", "push", "-q", "--tags", up.url("w"), "main", "main:dev")

	b := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: up.open("w")}})
	r := &Reconciler{Host: b.host, Remote: Remote{Private: true}}
	reconcile := func() ctrl.Result {
		t.Helper()
		res, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if res := reconcile(); res.RequeueAfter < 50*time.Second || res.RequeueAfter > 70*time.Second {
		t.Fatalf("next look in %v", res.RequeueAfter)
	}
	st := b.status("copy")
	if st.Sequence != 1 || st.Refs["refs/heads/main"].Commit != first || st.Refs["refs/heads/main"].Sequence != 1 || st.Refs["refs/tags/old"].Sequence != 0 || len(st.Refs) != 3 || st.LastPolled == nil || st.DefaultBranch != "main" {
		t.Fatalf("first look %+v", st)
	}
	second := up.commit("w", "a", "2")
	up.git("w", "push", "-q", up.url("w"), "main", ":dev")
	reconcile()
	if b.status("copy").Sequence != 1 {
		t.Fatal("looked before it was time")
	}
	r.Kick("default", "copy")
	reconcile()
	st = b.status("copy")
	got := st.Refs["refs/heads/main"]
	if got.Commit != second || got.Before != first || got.Via != "webhook" || len(st.Refs) != 2 {
		t.Fatalf("second look %+v", st)
	}
	if got, err := b.host.File(context.Background(), "default", "copy", second, "a"); err != nil || string(got) != "2" {
		t.Fatal(string(got), err)
	}
	third := up.commit("w", "a", "3")
	up.git("w", "push", "-q", up.url("w"), "main")
	if err := r.Sync(context.Background(), "default", "copy"); err != nil {
		t.Fatal(err)
	}
	reconcile()
	if got := b.status("copy").Refs["refs/heads/main"]; got.Commit != third || got.Via != "manual" {
		t.Fatalf("third look %+v", got)
	}
	b.commit("mine", "a", "1")
	b.refused("is a mirror of", "mine", "push", b.url("copy"), "main")
	// Deletion removes the data, then the object.
	var repo v1alpha1.Repository
	if err := errors.Join(b.client.Get(context.Background(), key, &repo), b.client.Delete(context.Background(), &repo)); err != nil {
		t.Fatal(err)
	}
	reconcile()
	if err := b.client.Get(context.Background(), key, &repo); !apierrors.IsNotFound(err) || b.host.Has("default", "copy") {
		t.Fatal("still there", err)
	}
}

// TestMirrorsFollowTheDefaultBranch that moves elsewhere, though no branch changes, that
// goes, or that this server's filter or choice leaves out.
func TestMirrorsFollowTheDefaultBranch(t *testing.T) {
	up := upstream(t)
	up.commit("w", "a", "1")
	up.git("w", "push", "-q", up.url("w"), "main", "main:next", "main:other")
	up.commit("w", "only-on-trunk", "1")
	up.git("w", "push", "-q", up.url("w"), "main:trunk")
	dir, _ := up.host.path("default", "w")
	b := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: up.open("w")}})
	r := &Reconciler{Host: b.host, Remote: Remote{Private: true}}
	for i, step := range []struct {
		what   string
		there  []string
		change func(*v1alpha1.RepositorySpec)
		want   string
	}{
		{"as it was", nil, nil, "main"},
		{"moved", []string{"symbolic-ref", "HEAD", "refs/heads/trunk"}, nil, "trunk"},
		{"the old one gone", []string{"update-ref", "-d", "refs/heads/main"}, nil, "trunk"},
		{"to one of the same commit", []string{"symbolic-ref", "HEAD", "refs/heads/next"}, nil, "next"},
		{"chosen here", nil, func(s *v1alpha1.RepositorySpec) { s.DefaultBranch = "other" }, "other"},
		{"chosen here, moved there", []string{"symbolic-ref", "HEAD", "refs/heads/trunk"}, nil, "other"},
		{"the chosen one gone", []string{"update-ref", "-d", "refs/heads/other"}, nil, "trunk"},
		{"left out by the filter", nil, func(s *v1alpha1.RepositorySpec) { s.ExcludeBranches = []string{"trunk"} }, "next"},
	} {
		if step.there != nil {
			up.git("", append([]string{"--git-dir", dir}, step.there...)...)
		}
		var repo v1alpha1.Repository
		if err := b.client.Get(t.Context(), key, &repo); err != nil {
			t.Fatal(err)
		}
		if step.change != nil {
			step.change(&repo.Spec)
			if err := b.client.Update(t.Context(), &repo); err != nil {
				t.Fatal(err)
			}
		}
		r.Kick("default", "copy")
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
			t.Fatal(step.what, err)
		}
		clone := fmt.Sprintf("clone%d", i)
		b.git("", "clone", "-q", b.url("copy"), clone)
		if st := b.status("copy").DefaultBranch; st != step.want || b.git(clone, "symbolic-ref", "--short", "HEAD") != step.want {
			t.Errorf("%s: default branch %q, a clone has %q, want %q", step.what, st, b.git(clone, "symbolic-ref", "--short", "HEAD"), step.want)
		}
	}
}

// Threat 5: by default no private address is looked at, also not through a name.
func TestMirrorOfPrivateAddressIsRefused(t *testing.T) {
	up := upstream(t)
	up.commit("w", "a", "1")
	up.git("w", "push", "-q", up.url("w"), "main")
	for _, url := range []string{up.open("w"), strings.Replace(up.open("w"), "127.0.0.1", "localhost", 1), "ssh://git@127.0.0.1:1/x"} {
		b := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: url}})
		err := b.host.Fetch(context.Background(), "default", "copy", Source{URL: url, Credentials: sshCredentials(t, "127.0.0.1")})
		if err == nil || !strings.Contains(err.Error(), "is in a private network") {
			t.Fatalf("%s: %v", url, err)
		}
	}
}

func TestMirrorConditions(t *testing.T) {
	b := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: "ext::sh -c x"}})
	r := &Reconciler{Host: b.host}
	res, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key})
	if err != nil || res.RequeueAfter < 100*time.Second {
		t.Fatal("no back-off", res, err)
	}
	st := b.status("copy")
	if len(st.Conditions) != 1 || st.Conditions[0].Reason != "InvalidURL" || st.Conditions[0].Status != metav1.ConditionFalse {
		t.Fatalf("%+v", st.Conditions)
	}
}

// Threat 6: credentials go to the host they are bound to and nowhere else.
func TestCredentialsStayWithTheirHost(t *testing.T) {
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"},
		Spec: v1alpha1.RepositorySpec{URL: "https://evil.example/x.git", CredentialsSecret: "forge"}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "forge", Annotations: map[string]string{v1alpha1.AnnotationHost: "forge.example"}},
		Data: map[string][]byte{"username": []byte("u"), "password": []byte("planted")}}
	b := newBench(t, repo, secret)
	r := &Reconciler{Host: b.host}
	if _, err := r.credentials(context.Background(), repo); err == nil || strings.Contains(err.Error(), "planted") || !strings.Contains(err.Error(), "not bound to this host") {
		t.Fatal(err)
	}
	repo.Spec.URL = "https://forge.example/x.git"
	if c, err := r.credentials(context.Background(), repo); err != nil || c.Password != "planted" {
		t.Fatal(err)
	}
	if _, err := authMethod(&url.URL{Scheme: "http"}, &Credentials{Password: "planted"}); err == nil {
		t.Fatal("credentials over plain http")
	}
	for _, raw := range []string{"https://u:p@forge.example/x", "https://token@forge.example/x"} {
		if _, err := (Remote{}).ParseURL(raw); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Fatalf("%s: %v", raw, err)
		}
	}
}

// A redirect to another address is looked at again when it is dialled.
func TestRedirectIsCheckedAgain(t *testing.T) {
	from := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/git/w.git/info/refs?service=git-upload-pack", http.StatusFound))
	defer from.Close()
	b := newBench(t)
	err := b.host.Fetch(context.Background(), "default", "copy", Source{URL: from.URL + "/git/w.git", Remote: Remote{Private: true}})
	if err == nil || !errors.Is(err, outside.ErrAddress) {
		t.Fatal(err)
	}
}

func TestAnswerOverTheLimitEnds(t *testing.T) {
	up := upstream(t)
	up.commit("w", "a", strings.Repeat("x", 1<<20))
	up.git("w", "push", "-q", up.url("w"), "main")
	b := newBench(t)
	err := b.host.Fetch(context.Background(), "default", "copy", Source{URL: up.open("w"), Remote: Remote{Private: true, MaxFetch: 500}})
	if !errors.Is(err, ErrLimit) {
		t.Fatal(err)
	}
}

func TestHostedRepositoryMadeBeforeItsFirstPush(t *testing.T) {
	b := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}})
	r := &Reconciler{Host: b.host}
	if _, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key}); err != nil {
		t.Fatal(err)
	}
	if st := b.status("copy"); !b.host.Has("default", "copy") || len(st.Conditions) != 1 || st.Conditions[0].Status != metav1.ConditionTrue {
		t.Fatalf("%+v", st)
	}
	b.git("", "clone", "-q", b.url("copy"), "empty")
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("copy"), "main")
	if b.status("copy").Sequence != 1 {
		t.Fatal("not recorded")
	}
}
