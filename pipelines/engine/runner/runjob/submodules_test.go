package runjob

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/submodule"
)

func (j *jobs) Submodules(context.Context, string, string, string, plan.Checkout) ([]submodule.Found, error) {
	return j.modules, nil
}

// TestSubmodules are unpacked where they belong, registered, and git knows how to read
// the server again.
func TestSubmodules(t *testing.T) {
	w := newWorld(t, wire.Job{Main: []string{`cat libs/a/lib.txt libs/a/b/deep.txt`},
		Checkout: wire.Checkout{Submodules: "recursive", URL: "https://s:1/git/default/shop.git", Server: "https://s:1", User: "gitlab-ci-token"}})
	w.job.Checkout.Submodules = "recursive"
	w.client.CAFile = "/ca.crt"
	w.modules = []submodule.Found{
		{Path: "libs/a", Name: `a "quoted" \ name`, URL: "https://s:1/git/default/lib.git", Repository: "lib", Commit: "c1"},
		{Path: "libs/a/b", Parent: "libs/a", Name: "b", URL: "https://s:1/git/default/deep.git", Repository: "deep", Commit: "c2"},
	}
	var out bytes.Buffer
	if code := Run(t.Context(), w.client, w.place, &out); code != 0 || !strings.Contains(out.String(), "c1c2") {
		t.Fatalf("exit code %d:\n%s", code, out.String())
	}
	project := filepath.Join(w.place.Builds, "default/shop")
	for file, want := range map[string]map[string]string{
		".git/config": {"remote.origin.url": "https://s:1/git/default/shop.git", `submodule.a "quoted" \ name.active`: "true",
			`submodule.a "quoted" \ name.url`: "https://s:1/git/default/lib.git", "http.https://s:1.sslCAInfo": "/ca.crt",
			"credential.https://s:1.username": "gitlab-ci-token"},
		"libs/a/.git/config":   {"remote.origin.url": "https://s:1/git/default/lib.git", "submodule.b.active": "true"},
		"libs/a/b/.git/config": {"remote.origin.url": "https://s:1/git/default/deep.git"},
	} {
		for key, value := range want {
			if got := git(t, project, "config", "--file", file, key); got != value {
				t.Errorf("%s: %s is %q, want %q", file, key, got, value)
			}
		}
	}
	config, err := os.ReadFile(filepath.Join(project, ".git/config"))
	if err != nil || bytes.Contains(config, []byte(w.client.Token)) {
		t.Errorf("the token is on disk: %s %v", config, err)
	}
}

// TestSubmoduleOutside: a path that leads out of the project is no place for files.
func TestSubmoduleOutside(t *testing.T) {
	for _, path := range []string{"../x", "/tmp/x", "out/x"} {
		w := newWorld(t, wire.Job{Main: []string{"true"}, Checkout: wire.Checkout{Submodules: "normal"}})
		w.job.Checkout.Submodules = "normal"
		w.modules = []submodule.Found{{Path: path, Name: "x", Repository: "lib", Commit: "c"}}
		outside, project := t.TempDir(), filepath.Join(w.place.Builds, "default/shop")
		if err := os.MkdirAll(project, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(project, "out")); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		code := Run(t.Context(), w.client, w.place, &out)
		left, err := os.ReadDir(outside)
		if code == 0 || err != nil || len(left) > 0 || !strings.Contains(out.String(), "submodule") {
			t.Errorf("%s: %d %v %v\n%s", path, code, left, err, out.String())
		}
	}
}

// TestGitEnv: settings that the job has for git itself are not taken away.
func TestGitEnv(t *testing.T) {
	a := &attempt{Client: &Client{CAFile: "/ca.crt"}, job: &wire.Job{Checkout: wire.Checkout{Server: "https://s:1", User: "u"}}}
	if got := strings.Join(a.gitEnv(nil), " "); !strings.HasPrefix(got, "GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=credential.https://s:1.username GIT_CONFIG_VALUE_0=u") {
		t.Error(got)
	}
	if got := a.gitEnv([]string{"GIT_CONFIG_COUNT=1"}); got != nil {
		t.Error(got)
	}
	a.job.Checkout.Server = ""
	if got := a.gitEnv(nil); got != nil {
		t.Error(got)
	}
}
