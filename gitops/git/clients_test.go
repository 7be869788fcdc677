package git

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

// offered is a repository with a history that clients take parts of: ten commits a
// minute apart on main, a branch off its middle, an annotated and a plain tag.
func offered(t *testing.T) *bench {
	b := newBench(t)
	if err := os.MkdirAll(filepath.Join(b.work, "w"), 0o755); err != nil {
		t.Fatal(err)
	}
	var stream strings.Builder
	for i := range 10 {
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter Ann <ann@example.org> %d +0000\ndata 2\nc%d\nM 100644 inline src/f%d\ndata 3000\n%s\nM 100644 inline docs/g%d\ndata 2\n%d\n\n",
			1_700_000_000+60*i, i, i, strings.Repeat(strconv.Itoa(i), 3000), i, i)
	}
	b.git("w", "init", "-q")
	b.gitIn("w", stream.String(), "fast-import", "--quiet")
	b.git("w", "checkout", "-q", "main")
	b.git("w", "tag", "plain", "HEAD~5")
	b.git("w", "tag", "-a", "-m", "annotated", "v1", "HEAD~2")
	b.git("w", "push", "-q", "--tags", b.url("w"), "main", "HEAD~4:refs/heads/side")
	return b
}

// What real clients ask for, over each protocol version; and of a mirror, whose objects
// are in a pool.
func TestClientsGetWhatTheyAskFor(t *testing.T) {
	b := offered(t)
	b.host.Authenticate = anonymous
	url := b.url("w")
	mirror := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: b.open("w")}})
	if err := mirror.host.Fetch(t.Context(), "default", "copy", Source{URL: b.open("w"), Remote: Remote{Private: true}}); err != nil {
		t.Fatal(err)
	}
	count := func(dir, rev string) string { return b.git(dir, "rev-list", "--count", rev) }
	for name, tc := range map[string]struct {
		args  []string
		check func(dir string) (got, want string)
	}{
		"all": {nil, func(d string) (string, string) { return count(d, "--all"), "10" }},
		"mirror": {[]string{"--mirror"}, func(d string) (string, string) {
			return b.git(d, "for-each-ref", "--format=%(refname)"), "refs/heads/main\nrefs/heads/side\nrefs/tags/plain\nrefs/tags/v1"
		}},
		"bare": {[]string{"--bare"}, func(d string) (string, string) { return count(d, "main"), "10" }},
		"single branch": {[]string{"--single-branch", "--branch", "side"}, func(d string) (string, string) {
			return count(d, "HEAD") + " " + b.git(d, "branch", "-r"), "6 origin/side"
		}},
		"a tag":   {[]string{"--branch", "v1"}, func(d string) (string, string) { return count(d, "HEAD"), "8" }},
		"no tags": {[]string{"--no-tags"}, func(d string) (string, string) { return b.git(d, "tag"), "" }},
		"depth": {[]string{"--depth=3"}, func(d string) (string, string) {
			return count(d, "HEAD") + b.git(d, "rev-parse", "--is-shallow-repository"), "3true"
		}},
		"depth, all refs": {[]string{"--depth=2", "--no-single-branch"}, func(d string) (string, string) { return count(d, "origin/side"), "3" }},
		"since":           {[]string{"--shallow-since=1700000400 +0000"}, func(d string) (string, string) { return count(d, "HEAD"), "3" }},
		"exclude":         {[]string{"--shallow-exclude=plain"}, func(d string) (string, string) { return count(d, "HEAD"), "5" }},
		"deepened": {[]string{"--depth=2"}, func(d string) (string, string) {
			b.git(d, "fetch", "-q", "--deepen=3")
			five := count(d, "HEAD")
			b.git(d, "fetch", "-q", "--unshallow")
			return five + " " + count(d, "HEAD"), "5 10"
		}},
		"no blobs": {[]string{"--filter=blob:none", "--no-checkout"}, func(d string) (string, string) {
			missing := strings.Count(b.git(d, "rev-list", "--objects", "--missing=print", "HEAD"), "?")
			return strconv.Itoa(missing) + " " + b.git(d, "show", "HEAD:docs/g9"), "20 9"
		}},
		"no large blobs": {[]string{"--filter=blob:limit=1k", "--no-checkout"}, func(d string) (string, string) {
			return strconv.Itoa(strings.Count(b.git(d, "rev-list", "--objects", "--missing=print", "HEAD"), "?")), "10"
		}},
		"no trees": {[]string{"--filter=tree:0", "--no-checkout"}, func(d string) (string, string) { return count(d, "HEAD"), "10" }},
		"sparse": {[]string{"--filter=blob:none", "--sparse"}, func(d string) (string, string) {
			b.git(d, "sparse-checkout", "set", "docs")
			_, err := os.Stat(filepath.Join(b.work, d, "src"))
			return fmt.Sprint(os.IsNotExist(err)) + b.git(d, "show", "HEAD:docs/g0"), "true0"
		}},
		"a commit by name": {[]string{"--depth=1"}, func(d string) (string, string) {
			side := b.git("w", "rev-parse", "HEAD~4")
			b.git(d, "fetch", "-q", "--depth=1", "origin", side)
			return b.git(d, "rev-parse", "FETCH_HEAD"), side
		}},
		"an inner commit by name": {[]string{"--depth=1"}, func(d string) (string, string) {
			inner := b.git("w", "rev-parse", "HEAD~3")
			b.git(d, "fetch", "-q", "--depth=1", "origin", inner)
			return b.git(d, "rev-parse", "FETCH_HEAD"), inner
		}},
		"refs by pattern": {[]string{"--no-checkout"}, func(d string) (string, string) {
			return b.git(d, "ls-remote", "--tags", "--refs", "origin", "v*"), b.git("w", "rev-parse", "v1") + "\trefs/tags/v1"
		}},
		"head": {[]string{"--no-checkout"}, func(d string) (string, string) {
			return strings.SplitN(b.git(d, "ls-remote", "--symref", "origin", "HEAD"), "\n", 2)[0], "ref: refs/heads/main\tHEAD"
		}},
		"prune": {nil, func(d string) (string, string) {
			b.git("w", "push", "-q", url, "HEAD:refs/heads/gone")
			b.git(d, "fetch", "-q")
			b.git("w", "push", "-q", url, ":gone")
			b.git(d, "fetch", "-q", "--prune")
			return b.git(d, "branch", "-r", "--list", "origin/gone"), ""
		}},
	} {
		for _, version := range []int{0, 1, 2} {
			dir := fmt.Sprintf("%s %d", name, version)
			b.git("", append([]string{"-c", "protocol.version=" + strconv.Itoa(version), "clone", "-q", url, dir}, tc.args...)...)
			b.git(dir, "config", "protocol.version", strconv.Itoa(version))
			if got, want := tc.check(dir); got != want {
				t.Errorf("%s, version %d: %q, want %q", name, version, got, want)
			}
		}
		if name == "prune" {
			continue // it pushes
		}
		dir := name + " of the mirror"
		b.git("", append([]string{"clone", "-q", mirror.url("copy"), dir}, tc.args...)...)
		if got, want := tc.check(dir); got != want {
			t.Errorf("%s, of the mirror: %q, want %q", name, got, want)
		}
	}
}

// What real clients push.
func TestClientsPushWhatTheyMean(t *testing.T) {
	b := offered(t)
	url := b.url("w")
	refs := func() string { return b.git("", "ls-remote", "--heads", "--tags", "--refs", url) }
	has := func(ref string) bool {
		return strings.Contains(refs(), "\t"+ref+"\n") || strings.HasSuffix(refs(), "\t"+ref)
	}
	head := b.git("w", "rev-parse", "HEAD")

	b.git("w", "push", "-q", "--atomic", url, "main:one", "main:two")
	b.git("w", "push", "-q", "--atomic", url, ":one", "main:three") // deletes and makes at once
	if has("refs/heads/one") || !has("refs/heads/two") || !has("refs/heads/three") {
		t.Fatal(refs())
	}
	// All or nothing: a lease that does not hold takes the others along.
	before := refs()
	b.refused("stale info", "w", "push", "--atomic", "--force-with-lease=two:"+strings.Repeat("1", 40), url, "HEAD~1:two", "main:four")
	if refs() != before {
		t.Fatal(refs())
	}
	b.git("w", "push", "-q", "--force-with-lease=two:"+head, url, "HEAD~1:two")
	b.git("w", "push", "-q", "--force", url, "main:two")
	b.git("w", "push", "-q", "--delete", url, "two", "three")
	b.git("w", "push", "-q", url, ":plain", ":v1")
	b.git("w", "push", "-q", "--follow-tags", url, "main")
	if has("refs/heads/two") || has("refs/tags/plain") || !has("refs/tags/v1") {
		t.Fatal(refs())
	}
	b.git("w", "branch", "-f", "side", "HEAD~4")
	b.git("w", "branch", "renamed", "side")
	b.git("w", "push", "-q", url, "renamed", ":side")
	if out := b.git("w", "push", "--porcelain", "--dry-run", url, "main:dry"); !strings.Contains(out, "[new branch]") || has("refs/heads/dry") {
		t.Fatal(out)
	}
	b.git("w", "push", "-q", "--prune", url, "refs/heads/*:refs/heads/*")
	b.git("w", "push", "-q", "--mirror", url)
	// From a shallow clone, a thin pack, and nothing at all.
	b.git("", "clone", "-q", "--depth=1", url, "shallow")
	b.commit("shallow", "x", "1")
	b.git("shallow", "push", "-q", "origin", "main")
	if out := b.git("shallow", "push", "origin", "main"); !strings.Contains(out, "Everything up-to-date") {
		t.Fatal(out)
	}
	b.git("", "clone", "-q", "--filter=blob:none", url, "partial")
	b.commit("partial", "src/f0", "other")
	b.git("partial", "push", "-q", "--thin", "origin", "main", "main:refs/notes/x")
	if got := b.status("w"); got.Refs["refs/heads/main"].Commit != b.git("partial", "rev-parse", "HEAD") || len(got.Refs) != strings.Count(refs(), "\n")+1 {
		t.Fatalf("%+v\n%s", got.Refs, refs())
	}
	dir, _ := b.host.path("default", "w")
	if out := b.git("", "--git-dir", dir, "fsck", "--full", "--strict"); strings.Contains(out, "missing") || strings.Contains(out, "error") {
		t.Fatal(out)
	}
}
