package git

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"slipway.dev/cluster/api/v1alpha1"
)

// recorded runs git with its own trace on: every process that it starts, and that its
// hooks start, leaves its arguments in a file.
func (b *bench) recorded() (arguments func() [][]string) {
	dir := b.t.TempDir()
	b.host.Git = filepath.Join(b.work, "recording-git")
	script := "#!/bin/sh\nexport GIT_TRACE2_EVENT=" + dir + "\nexec git \"$@\"\n"
	if err := os.WriteFile(b.host.Git, []byte(script), 0o755); err != nil {
		b.t.Fatal(err)
	}
	return func() (out [][]string) {
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				b.t.Fatal(err)
			}
			lines := bufio.NewScanner(bytes.NewReader(raw))
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				var e struct {
					Event string   `json:"event"`
					Argv  []string `json:"argv"`
				}
				if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
					b.t.Fatal(err)
				}
				if len(e.Argv) > 0 {
					out = append(out, e.Argv)
				}
			}
		}
		return out
	}
}

// Threats 2 and 3: whatever names, refs, paths, revisions, messages, options and URLs
// people come with, no process gets one of their strings as an argument.
func TestNoStringOfAUserIsAnArgument(t *testing.T) {
	const planted = "PLANTED"
	up := upstream(t)
	b := newBench(t)
	arguments := b.recorded()
	refs := []string{"refs/heads/$(" + planted + ")", "refs/heads/`" + planted + "`", "refs/heads/a;" + planted, "refs/heads/x/--" + planted, "refs/heads/'" + planted + "\"", "refs/tags/|" + planted, "refs/notes/" + planted}
	file := "dir/--" + planted + " $(x) ;`y`"
	b.commit("w", file, planted)
	b.git("w", "tag", "-a", "-m", "--"+planted, "v1")
	push := []string{"push", "-q", "-o", "ci.variable=A=" + planted, "-o", planted, b.url("w"), "main", "v1"}
	for _, r := range refs {
		push = append(push, "HEAD:"+r)
	}
	b.git("w", push...)
	b.set("w", func(s *v1alpha1.RepositorySpec) {
		q := resource.MustParse("1k")
		s.Limits = &v1alpha1.RepositoryLimits{File: &q}
		s.Protect = []v1alpha1.ProtectRule{{Pattern: "*" + planted + "*"}}
		s.Paths = []string{planted}
	})
	// The hook looks at names and at files.
	b.commit("w", file, noise(4000))
	b.refused("spec.limits.file", "w", "push", "-f", b.url("w"), "HEAD:"+refs[0])
	b.git("w", "reset", "-q", "--hard", "HEAD~1")
	b.commit("w", "b", "1")
	b.git("w", "push", "-q", b.url("w"), "HEAD:"+refs[0], "HEAD:main")
	b.git("w", "commit", "-q", "--amend", "-m", planted)
	b.refused("is protected", "w", "push", "-f", b.url("w"), "HEAD:"+refs[0])
	for _, bad := range []string{"HEAD:refs/heads/-" + planted, "HEAD:refs/pull/" + planted + "/head", "HEAD:refs/" + planted} {
		if out, err := b.try("w", "push", b.url("w"), bad); err == nil {
			t.Fatalf("%s was taken:\n%s", bad, out)
		}
	}
	b.git("", "clone", "-q", "--branch", strings.TrimPrefix(refs[1], "refs/heads/"), "--filter=blob:none", "--depth=1", b.url("w"), "c")

	ctx := context.Background()
	head, err := b.host.Look(ctx, "default", "w", strings.TrimPrefix(refs[0], "refs/heads/"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.host.CommitDiff(ctx, "default", "w", head); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{planted, "--" + planted, "--output=/tmp/" + planted, ":(glob)" + planted, "HEAD^{/" + planted + "}", "@{" + planted + "}", "a\n--" + planted, file} {
		_, _ = b.host.Look(ctx, "default", "w", s)
		_, _ = b.host.Look(ctx, "default", s, head)
		_, _ = b.host.Look(ctx, s, "w", head)
		_, _ = b.host.History(ctx, "default", "w", head, s, 0, 0)
		_, _ = b.host.History(ctx, "default", "w", s, "", 0, 0)
		_, _ = b.host.History(ctx, "default", "w", head, "", 0, 0, s)
		_, _ = b.host.Show(ctx, "default", "w", head, s)
		_, _ = b.host.Diff(ctx, "default", "w", s, head)
		_, _ = b.host.Compare(ctx, "default", "w", head, s)
		_, _, _ = b.host.CommitDiff(ctx, "default", "w", s)
		_, _ = b.host.Footprints(ctx, "default", "w", head, []string{s})
		_ = b.host.WriteSnapshot(ctx, Snapshot{Namespace: "default", Repository: "w", Commit: head, Ref: s}, io.Discard)
		_ = b.host.WriteSnapshot(ctx, Snapshot{Namespace: "default", Repository: "w", Commit: s}, io.Discard)
	}
	for _, ref := range refs {
		if err := b.host.WriteSnapshot(ctx, Snapshot{Namespace: "default", Repository: "w", Commit: head, Ref: ref}, io.Discard); err != nil {
			t.Fatal(err)
		}
	}

	// A repository elsewhere: its URL, what it calls its refs, and its credentials.
	up.commit("w", file, planted)
	upPush := []string{"push", "-q", up.url("w"), "main"}
	for _, r := range refs {
		upPush = append(upPush, "HEAD:"+r)
	}
	up.git("w", upPush...)
	private := Remote{Private: true}
	if err := b.host.Fetch(ctx, "default", "copy", Source{URL: up.open("w") + "?" + planted, Remote: private}); err == nil {
		t.Fatal("a query was taken for part of the address")
	}
	if err := b.host.Fetch(ctx, "default", "copy", Source{URL: up.open("w"), Remote: private, Credentials: &Credentials{Scope: planted + "/" + planted}, Filter: planted}); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"ext::sh -c " + planted, "--upload-pack=" + planted, "ssh://-oProxyCommand=" + planted + "/x", "https://" + planted + "@127.0.0.1/x", "file:///" + planted,
		"git://127.0.0.1/" + planted, "https://127.0.0.1:1/-" + planted, "http://127.0.0.1:1/" + planted, "fd::17/" + planted, "ssh://127.0.0.1:1/" + planted, planted + "::x"} {
		if err := b.host.Fetch(ctx, "default", "copy", Source{URL: url, Remote: private, Credentials: sshCredentials(t, "127.0.0.1")}); err == nil {
			t.Errorf("%s was fetched", url)
		}
	}
	pool := b.pools()
	for _, dir := range append(pool, filepath.Join(b.host.Dir, "default", "w.git")) {
		b.host.repack(ctx, dir)
	}

	all := arguments()
	kinds := map[string]int{}
	for _, argv := range all {
		for _, a := range argv {
			if strings.Contains(a, planted) || strings.Contains(a, "dir/") {
				t.Errorf("a user's string is an argument of %q", argv)
			}
		}
		i := slices.IndexFunc(argv[min(1, len(argv)):], func(a string) bool { return !strings.HasPrefix(a, "-") && !strings.Contains(a, "=") })
		kinds[argv[min(i+1, len(argv)-1)]]++
	}
	for _, want := range []string{"receive-pack", "upload-pack", "index-pack", "rev-list", "diff-tree", "cat-file", "pack-objects", "gc", "merge-base"} {
		if kinds[want] == 0 {
			t.Errorf("%s did not run, so nothing is known of it: %v", want, fmt.Sprint(kinds))
		}
	}
}
