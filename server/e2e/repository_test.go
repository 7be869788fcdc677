package e2e

import (
	"fmt"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// refused is a push that the server does not take, and says why.
func (r *repo) refused(want string, args ...string) {
	r.t.Helper()
	out, err := r.command(mustToken(r.t), append([]string{"push", r.url()}, args...)...)
	if err == nil || !strings.Contains(out, want) {
		r.t.Fatalf("push %v: %v, want a refusal with %q:\n%s", args, err, want, out)
	}
}

// TestRepositoryHoldsToItsRules: protected refs, limits, push options, paths and what an
// application of one directory makes of them; read by verb and by route.
func TestRepositoryHoldsToItsRules(t *testing.T) {
	together(t)
	r := newRepo(t, "ruled", map[string]string{
		".gitlab-ci.yml":  "say: {image: busybox, script: [echo \"greeting $GREETING\"]}\n",
		"deploy/web.yaml": manifest("ruled"), "docs/index.md": "# one\n",
		"dashboards/sales.json": "{\"uid\": \"ruled-sales\", \"title\": \"Sales\", \"panels\": [{\"type\": \"text\"}]}\n",
	})
	must(t, "app", "create", r.name, "--sync", "push")
	r.push()
	r.finished()
	if _, err := user.WaitApp(t.Context(), r.name, 1); err != nil {
		t.Fatal(err)
	}
	must(t, "kubectl", "patch", "repository", r.name, "--type=merge", "-p",
		`{"spec":{"protect":[{"pattern":"main"},{"pattern":"ops","pushers":{"users":["nobody-here"]}}],"limits":{"file":"1Mi"},"paths":["deploy"]}}`)

	r.write(map[string]string{"docs/index.md": "# two\n"})
	r.commit()
	if out := r.git("push", r.url(), "HEAD:main"); !strings.Contains(out, "No run for main: none of the 1 files that changed is in spec.paths") {
		t.Fatalf("push of docs:\n%s", out)
	}
	docs := strings.TrimSpace(r.git("rev-parse", "HEAD"))
	eventually(t, func() error {
		var app api.Application
		if err := user.Call(t.Context(), "GET", user.Path("applications", r.name), nil, &app); err != nil {
			return err
		}
		if u := app.Status.Unchanged; u == nil || u.Commit != docs || app.Status.Last != 1 {
			return fmt.Errorf("unchanged %+v, last release %d", u, app.Status.Last)
		}
		return nil
	})
	if runs := r.runsOf(docs); len(runs) != 0 {
		t.Errorf("runs %v", runs)
	}

	r.refused("branch ops is protected", "HEAD:ops")
	r.refused("it may not be deleted", ":main")
	r.git("commit", "--quiet", "--amend", "--message", "other")
	r.refused("refs/heads/main is protected: a push may not take commits away from it", "--force", "HEAD:main")
	r.git("reset", "--quiet", "--hard", docs)
	r.write(map[string]string{"large": strings.Repeat("0123456789abcdef", 1<<17)})
	r.commit()
	r.refused("file large has 2097152 bytes; spec.limits.file allows 1048576", "HEAD:main")
	r.git("reset", "--quiet", "--hard", docs)
	r.refused("push option merge_request.create is not supported", "-o", "merge_request.create", "HEAD:other")

	eventually(t, func() error {
		if out := must(t, "dashboard", "list"); !strings.Contains(out, "repo/ruled-sales") || !strings.Contains(out, "dashboards/sales.json") || !strings.Contains(out, "app/ruled ") {
			return fmt.Errorf("dashboards:\n%s", out)
		}
		return nil
	})
	if out := must(t, "dashboard", "get", "repo/ruled-sales"); !strings.Contains(out, `"title":"Sales"`) {
		t.Errorf("dashboard: %s", out)
	}
	r.write(map[string]string{"deploy/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ruled-more, labels: {grafana_dashboard: \"1\"}}\n" +
		"data: {chart.json: '{\"uid\": \"ruled-chart\", \"title\": \"Chart\", \"panels\": [{\"type\": \"text\"}]}'}\n", "dashboards/more.json": "{\n  \"uid\": \"more\",\n}\n"})
	r.commit()
	if out := r.git("push", "-o", "ci.variable=GREETING=hello", r.url(), "HEAD:main"); !strings.Contains(out, "Run ruled-3:") {
		t.Fatalf("push of manifests:\n%s", out)
	}
	eventually(t, func() error {
		const want = "dashboards/more.json:3:1: invalid character '}'"
		out, listed := must(t, "kubectl", "get", "repository", r.name, "-o", `jsonpath={.status.conditions[?(@.type=="Dashboards")].message}`), must(t, "dashboard", "list")
		if !strings.Contains(out, want) || !strings.Contains(listed, want) || !strings.Contains(listed, "repo/ruled-sales") {
			return fmt.Errorf("condition %q, dashboards:\n%s", out, listed)
		}
		return nil
	})
	r.seq = 3
	eventually(t, func() error {
		if out := must(t, "dashboard", "list", "--source", "configmap"); !strings.Contains(out, "configmap/ruled-more#chart.json") {
			return fmt.Errorf("dashboards:\n%s", out)
		}
		return nil
	})
	if run := r.finished(); run.Spec.Variables["GREETING"] != "hello" || !strings.Contains(r.log("say"), "greeting hello") {
		t.Fatalf("variables %v", run.Spec.Variables)
	}
	r.commit()
	if out := r.git("push", "-o", "ci.skip", r.url(), "HEAD:quiet"); !strings.Contains(out, "No run for quiet: the push says ci.skip") {
		t.Fatalf("quiet push:\n%s", out)
	}

	if out := must(t, "repo", "log", r.name, "--path", "docs"); strings.Count(out, "change") != 2 {
		t.Errorf("log of docs:\n%s", out)
	}
	if out := must(t, "repo", "show", r.name, docs[:10]); !strings.Contains(out, "modified docs/index.md (+1 -1)") || !strings.Contains(out, "+# two") {
		t.Errorf("commit:\n%s", out)
	}
	if out := must(t, "repo", "show", r.name, "main:docs/index.md"); out != "# two\n" {
		t.Errorf("file: %q", out)
	}
	if out := must(t, "repo", "show", r.name, "main:deploy/"); !strings.Contains(out, "deploy/more.yaml") {
		t.Errorf("directory:\n%s", out)
	}
	if out := must(t, "repo", "compare", r.name, docs, "main"); !strings.Contains(out, "added deploy/more.yaml") {
		t.Errorf("comparison:\n%s", out)
	}
}
