package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestTagsAreFollowed: a range of versions goes to the higher tag that is pushed, not with the
// branch, and stays when that is deleted; a commit stays; what is followed is changed by a verb.
func TestTagsAreFollowed(t *testing.T) {
	together(t)
	const held = "tagged-held"
	r := newRepo(t, "tagged", map[string]string{
		".gitlab-ci.yml": noRun, "deploy/config.yaml": config("tagged", "first"), "held/config.yaml": config(held, "first"),
	})
	cleanUp(t, "kubectl", "delete", "application.slipway.dev", held, "--ignore-not-found", "--timeout=1m")
	tag := func(name string) {
		t.Helper()
		r.git("tag", "--force", name)
		r.git("push", "--force", r.url(), "refs/tags/"+name)
	}
	// runs waits for a release of a commit, and of a tag.
	runs := func(name string, n int64, tag, commit string) {
		t.Helper()
		eventually(t, func() error {
			a := application(t, name)
			if d := a.Spec.Desired; d == nil || a.Status.Healthy != n || a.Status.Last != n || d.Tag() != tag || d.Commit != commit {
				return fmt.Errorf("%s: release %d, %s, desired %+v; want %d of %s, commit %s", name, a.Status.Healthy, a.Status.Message, d, n, tag, commit)
			}
			return nil
		})
	}
	head := func() string { return strings.TrimSpace(r.git("rev-parse", "HEAD")) }

	r.push()
	first := head()
	out, err := slipway(t, "app", "create", "tagged", "--semver", "newest")
	if err == nil || !strings.Contains(out, "is no range of versions") {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := slipway(t, "kubectl", "patch", "repository", "tagged", "--type=merge", "-p", `{"spec":{"tags":["v*"]}}`); err != nil {
		t.Fatal(out)
	}
	must(t, "app", "create", "tagged", "--semver", ">=1.0.0 <2")
	must(t, "app", "create", held, "--repo", "tagged", "--path", "held", "--commit", first[:8])
	runs(held, 1, "", first)
	eventually(t, func() error {
		if out := must(t, "app", "get", "tagged"); !strings.Contains(out, `no tag is in the range ">=1.0.0 <2"; it has no tag yet`) {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	// Past the API too.
	if out, err := slipway(t, "kubectl", "patch", "application.slipway.dev", "tagged", "--type=merge", "-p", `{"spec":{"source":{"branch":"main"}}}`); err == nil || !strings.Contains(out, "give one of source.branch, tag, semver and commit") {
		t.Errorf("%v %s", err, out)
	}
	tag("v1.0.0")
	runs("tagged", 1, "v1.0.0", first)

	r.write(map[string]string{"deploy/config.yaml": config("tagged", "second"), "held/config.yaml": config(held, "second")})
	r.push()
	second := head()
	tag("v2.0.0")
	tag("v1.1.0-rc.1")
	tag("v1.1.0")
	runs("tagged", 2, "v1.1.0", second)
	runs(held, 1, "", first)
	if out := must(t, "app", "history", "tagged"); !strings.Contains(out, "v1.1.0 ("+second[:7]) || !strings.Contains(out, "v1.0.0 ("+first[:7]) {
		t.Errorf("%s", out)
	}

	r.git("push", r.url(), ":refs/tags/v1.1.0")
	eventually(t, func() error {
		out := must(t, "app", "get", "tagged")
		for _, want := range []string{"Follows tags >=1.0.0 <2 of repository tagged", `tag "v1.1.0", the highest in the range ">=1.0.0 <2", was deleted`, "the highest is v1.0.0 now"} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("no %q in %s", want, out)
			}
		}
		return nil
	})
	runs("tagged", 2, "v1.1.0", second)

	must(t, "app", "set", "tagged", "--tag", "v1.0.0")
	runs("tagged", 3, "v1.0.0", first)
	r.write(map[string]string{"deploy/config.yaml": config("tagged", "third")})
	r.push()
	tag("v1.0.0")
	runs("tagged", 4, "v1.0.0", head())
	if out := must(t, "app", "events", "tagged"); !strings.Contains(out, "TagMoved") || !strings.Contains(out, "TagDeleted") {
		t.Errorf("%s", out)
	}

	// The same commit by another name is the same release.
	must(t, "app", "set", "tagged", "--branch", "main")
	eventually(t, func() error {
		if d := application(t, "tagged").Spec.Desired; d.Revision != "refs/heads/main" {
			return fmt.Errorf("%+v", d)
		}
		return nil
	})
	runs("tagged", 4, "", head())
}

// TestRunsOfTags: what is built of a tag is deployed to what follows it, and never by the push
// alone; the runs of other tags and of the branch say why they deploy nothing.
func TestRunsOfTags(t *testing.T) {
	together(t)
	r := newRepo(t, "tagged-built", map[string]string{"deploy/config.yaml": config("tagged-built", "first")})
	push := func(ref string) string {
		t.Helper()
		r.seq++
		r.git("push", r.url(), ref)
		r.finished()
		return r.log("deploy")
	}
	r.commit()
	r.git("tag", "v1.2.0")
	r.git("tag", "v1.1.0")
	must(t, "app", "create", "tagged-built", "--sync", "pipeline", "--semver", "1.x")
	if log := push("HEAD:main"); !strings.Contains(log, "Application tagged-built follows tags 1.x: built, not deployed.") {
		t.Errorf("%s", log)
	}
	if a := application(t, "tagged-built"); a.Spec.Desired != nil {
		t.Fatalf("a push is desired: %+v", a.Spec.Desired)
	}
	if log := push("refs/tags/v1.2.0"); !strings.Contains(log, "release 1 is healthy") {
		t.Errorf("%s", log)
	}
	if d := application(t, "tagged-built").Spec.Desired; d == nil || d.Tag() != "v1.2.0" || d.Run != r.run() {
		t.Fatalf("%+v", d)
	}
	if log := push("refs/tags/v1.1.0"); !strings.Contains(log, "Application tagged-built follows tags 1.x, of which it has v1.2.0.") {
		t.Errorf("%s", log)
	}
	if d := application(t, "tagged-built").Spec.Desired; d.Tag() != "v1.2.0" {
		t.Errorf("%+v", d)
	}
}
