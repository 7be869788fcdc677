package git

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/refs"
)

// mirror fetches into a repository, which is made if need be.
func (b *bench) mirror(ns, name string, s Source) {
	b.t.Helper()
	err := b.client.Create(context.Background(), &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: v1alpha1.RepositorySpec{URL: s.URL}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		b.t.Fatal(err)
	}
	s.Remote.Private = true
	if err := b.host.Fetch(context.Background(), ns, name, s); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) pools() []string {
	b.t.Helper()
	found, err := filepath.Glob(filepath.Join(b.host.Dir, poolDir, "*.git"))
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// packBytes are all packs below dir.
func packBytes(t *testing.T, dir string) (sum int64) {
	t.Helper()
	packs, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	for _, p := range packs {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

func TestMirrorsOfOneURLShareObjects(t *testing.T) {
	up := upstream(t)
	up.commit("w", "a", noise(100_000))
	up.git("w", "push", "-q", up.url("w"), "main")
	b := newBench(t)
	src := Source{URL: up.open("w")}
	for _, ns := range []string{"default", "default", "other"} {
		b.mirror(ns, "one", src)
	}
	b.mirror("default", "two", src)
	if n := len(b.pools()); n != 1 {
		t.Fatalf("%d pools", n)
	}
	for _, name := range []string{"default/one", "default/two", "other/one"} {
		dir := filepath.Join(b.host.Dir, name+".git")
		if own := packBytes(t, dir); own != 0 {
			t.Fatalf("%s has %d bytes of its own", name, own)
		}
		if out := b.git("", "--git-dir", dir, "fsck", "--full", "--strict"); strings.Contains(out, "missing") {
			t.Fatal(out)
		}
	}
	// Each has refs of its own, as of its own last look.
	head := up.commit("w", "a", "2")
	up.git("w", "push", "-q", up.url("w"), "main", "main:dev")
	b.mirror("default", "two", src)
	one, _ := b.host.Branches(t.Context(), "default", "one")
	two, _ := b.host.Branches(t.Context(), "default", "two")
	if len(one) != 1 || one["main"] == head || len(two) != 2 || two["main"] != head {
		t.Fatal(one, two)
	}
	size := packBytes(t, b.pools()[0])
	b.mirror("default", "one", src)
	if one, _ := b.host.Branches(t.Context(), "default", "one"); one["dev"] != head || packBytes(t, b.pools()[0]) != size {
		t.Fatal("fetched again", one)
	}
	b.git("", "clone", "-q", b.url("one"), "c")
	// Joining the packs of a pool changes nothing for its mirrors.
	b.host.repack(t.Context(), b.pools()[0])
	if got, err := b.host.File(t.Context(), "default", "one", head, "a"); err != nil || string(got) != "2" {
		t.Fatal(string(got), err)
	}
	// The pool goes with the last of them.
	for i, name := range []string{"default/one", "other/one", "default/two"} {
		ns, repo, _ := strings.Cut(name, "/")
		if err := b.host.Remove(ns, repo); err != nil || len(b.pools()) != (3-i+1)/3 && i == 2 {
			t.Fatal(name, b.pools(), err)
		}
	}
	if n := len(b.pools()); n != 0 {
		t.Fatalf("%d pools are left", n)
	}
}

// A tenant that may not read one repository does not reach its objects through another
// of the same URL: credentials of one's own mean objects of one's own.
func TestNoObjectsThroughAnotherRepositoryOfTheURL(t *testing.T) {
	up := newBench(t)
	up.commit("w", "a", "public")
	up.git("w", "push", "-q", up.url("w"), "main")
	secret := up.commit("w", "a", "for those with a token only")
	up.host.Authenticate = func(r *http.Request) (user.Info, bool) {
		_, token, _ := r.BasicAuth()
		return &user.DefaultInfo{Name: "u"}, token != "wrong"
	}
	b := newBench(t)
	anyone := Source{URL: up.open("w")}
	b.mirror("default", "plain", anyone)
	up.git("w", "push", "-q", up.url("w"), "main:secret")
	// Over plain http nothing is sent, but the scope is theirs.
	theirs := Source{URL: up.open("w"), Credentials: &Credentials{Scope: "acme/forge"}}
	b.mirror("acme", "mine", theirs)
	others := Source{URL: up.open("w"), Credentials: &Credentials{Scope: "other/forge"}}
	if poolKey(theirs) == poolKey(others) || poolKey(theirs) == poolKey(anyone) || poolKey(anyone) == poolKey(Source{URL: anyone.URL, Filter: "x"}) || poolKey(anyone) == poolKey(Source{URL: anyone.URL + "/"}) {
		t.Fatal("shared")
	}
	if got, err := b.host.File(t.Context(), "acme", "mine", secret, "a"); err != nil || string(got) == "" {
		t.Fatal(string(got), err)
	}
	if got, err := b.host.File(t.Context(), "default", "plain", secret, "a"); err == nil {
		t.Fatalf("read %q", got)
	}
	// Protocol v2 gives any object of the store to whoever knows its name.
	b.git("", "init", "-q", "thief")
	for _, version := range []string{"0", "2"} {
		if out, err := b.try("thief", "-c", "protocol.version="+version, "fetch", b.url("plain"), secret); err == nil {
			t.Fatalf("fetched:\n%s", out)
		}
	}
	b.git("thief", "fetch", "-q", strings.Replace(b.url("mine"), "/git/", "/git/acme/", 1), secret)
}

// A repository whose URL, Secret or filter changes keeps what releases may name.
func TestMirrorThatChangesItsPoolKeepsOldCommits(t *testing.T) {
	up := upstream(t)
	old := up.commit("w", "a", "old")
	up.git("w", "push", "-q", up.url("w"), "main")
	up.commit("x", "a", "new")
	up.git("x", "push", "-q", up.url("x"), "main")
	b := newBench(t)
	b.mirror("default", "copy", Source{URL: up.open("w")})
	b.mirror("default", "copy", Source{URL: up.open("x")})
	if n := len(b.pools()); n != 1 {
		t.Fatalf("%d pools", n)
	}
	if got, err := b.host.File(t.Context(), "default", "copy", old, "a"); err != nil || string(got) != "old" {
		t.Fatal(string(got), err)
	}
	b.git("", "clone", "-q", b.url("copy"), "c")
	b.git("c", "fetch", "-q", "origin", old)
}

func TestMirrorTakesWhatIsWanted(t *testing.T) {
	up := upstream(t)
	up.commit("w", "a", "1")
	up.git("w", "push", "-q", up.url("w"), "main", "main:feature/x", "main:tmp/y", "main:refs/tags/v1", "main:refs/tags/old")
	b := newBench(t)
	repo := &v1alpha1.Repository{}
	repo.Spec.ExcludeBranches, repo.Spec.Tags = []string{"tmp/**"}, []string{"v*"}
	src := Source{URL: up.open("w"), Filter: filter(repo), Wanted: func(ref string) bool { return refs.Watched(&repo.Spec, ref) },
		Heads: map[string]string{"refs/heads/tmp/y": v1alpha1.MergeRequestRef(7), "refs/heads/main": "refs/heads/../../evil", "refs/none": v1alpha1.MergeRequestRef(8)}}
	b.mirror("default", "copy", src)
	got := b.refsOf("copy")
	for ref, want := range map[string]bool{"refs/heads/main": true, "refs/heads/feature/x": true, "refs/tags/v1": true, "refs/merge-requests/7/head": true,
		"refs/heads/tmp/y": false, "refs/tags/old": false, "evil": false, "refs/merge-requests/8": false} {
		if strings.Contains(got, ref) != want {
			t.Errorf("%s in\n%s", ref, got)
		}
	}
}

// Forced pushes, deleted and renamed branches, moved tags: the mirror is what the other
// side is.
func TestMirrorFollowsEverything(t *testing.T) {
	up := upstream(t)
	up.commit("w", "a", "1")
	up.git("w", "tag", "-a", "-m", "one", "v1")
	up.git("w", "push", "-q", "--tags", up.url("w"), "main", "main:dev")
	b := newBench(t)
	same := func(step string) {
		t.Helper()
		b.mirror("default", "copy", Source{URL: up.open("w")})
		if here, there := b.refsOf("copy"), up.refsOf("w"); here != there {
			t.Fatalf("%s:\n%s\n%s", step, here, there)
		}
	}
	same("first")
	up.git("w", "commit", "-q", "--amend", "-m", "other")
	up.git("w", "push", "-q", "-f", up.url("w"), "main")
	same("forced")
	up.git("w", "push", "-q", up.url("w"), ":dev", "main:dev2")
	same("renamed")
	up.git("w", "tag", "-f", "-a", "-m", "two", "v1")
	up.git("w", "push", "-q", "-f", up.url("w"), "v1")
	same("moved tag")
	up.git("w", "push", "-q", up.url("w"), ":v1")
	same("deleted tag")
	for i := range 5 {
		up.commit("w", "b", strings.Repeat("x", i+1))
	}
	up.git("w", "push", "-q", up.url("w"), "main")
	up.git("w", "push", "-q", "-f", up.url("w"), "main~3:main")
	same("back")
}
