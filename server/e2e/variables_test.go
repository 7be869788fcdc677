package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// setVariable pipes a value into the verb.
func setVariable(t *testing.T, value string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"variable", "set"}, args...)...)
	cmd.Env = append(os.Environ(), "SLIPWAY_DATA_DIR="+dataDir)
	cmd.Stdin = strings.NewReader(value)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("variable set %v: %v\n%s", args, err, out)
	}
}

// TestPlantedSecret sets variables, lets a job print them, and looks for their values
// in every answer, log, event, object and file of the run.
func TestPlantedSecret(t *testing.T) {
	together(t)
	const planted, guarded = "pl4nted-v4lue", "gu4rded-v4lue"
	r := newRepo(t, "planted", map[string]string{".gitlab-ci.yml": `
default: {image: busybox}
print:
  script:
    - 'echo "it is $SECRET_TOKEN and $NOWHERE"'
    - echo "$SECRET_TOKEN" >&2
    - env | sort
    - 'echo "guarded ${GUARDED:-is unset}"'
    - test "$SECRET_TOKEN" = "pl4nted""-v4lue"
    - echo "shown $SHOWN"
`})
	r.push() // the first push makes the repository
	r.finished()
	setVariable(t, planted+"\n", "SECRET_TOKEN", "--repo", r.name)
	setVariable(t, guarded, "GUARDED", "--repo", r.name, "--protected")
	setVariable(t, "visible-value", "SHOWN", "--visible")
	r.push()
	run := r.finished()
	if run.Status.Phase != api.Succeeded {
		t.Fatalf("%s %s\n%s", run.Status.Phase, run.Status.Message, r.log("print"))
	}
	if log := r.log("print"); !strings.Contains(log, "it is [MASKED]") || !strings.Contains(log, "guarded [MASKED]") || !strings.Contains(log, "shown visible-value") {
		t.Errorf("the log is not masked as it should be:\n%s", log)
	}

	// The same file on a branch that is not protected.
	r.commit()
	r.seq++
	r.git("push", r.url(), "HEAD:refs/heads/feature")
	if run := r.finished(); run.Status.Phase != api.Succeeded || !strings.Contains(r.log("print"), "guarded is unset") {
		t.Errorf("an unprotected branch: %s\n%s", run.Status.Phase, r.log("print"))
	}

	absent := func(where, text string) {
		t.Helper()
		for _, secret := range []string{planted, guarded} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows the secret: …%s…", where, text[max(0, i-80):min(len(text), i+40)])
			}
		}
	}
	if out := must(t, "variable", "list", "--repo", r.name, "-o", "wide"); !strings.Contains(out, "SECRET_TOKEN") || !strings.Contains(out, "protected") {
		t.Errorf("variable list: %s", out)
	}
	const ns = "/api/v1/namespaces/default/"
	for _, path := range []string{
		"variables", "runs", "runs/" + run.Name, "runs/" + run.Name + "/jobs/print/log", "repositories", "applications",
		"logs?query=*&limit=10000",
	} {
		absent(path, body(t, ns+path))
	}
	absent("kubectl", must(t, "kubectl", "get", "repositories,runs,applications,releases,schedules,environments,taskruns,pods,configmaps,events", "-A", "-o", "yaml"))
	absent("the server's log", serverLog(1<<20))
	for _, dir := range []string{"artifacts", "joblogs", "logs"} {
		err := filepath.WalkDir(filepath.Join(dataDir, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			absent(path, string(b))
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// body of a good answer to the administrator.
func body(t *testing.T, path string) string {
	t.Helper()
	var b bytes.Buffer
	if err := user.Copy(t.Context(), &b, path); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return b.String()
}

// TestWhoMayVariables: developers see names, and no role reads the Secrets.
func TestWhoMayVariables(t *testing.T) {
	together(t)
	setVariable(t, "role-test-value", "ROLE_TEST")
	for role, want := range map[string][2]int{"viewer": {403, 403}, "developer": {200, 403}, "maintainer": {200, 204}} {
		token := strings.TrimSpace(must(t, "token", "create", role, "--role", "slipway-"+role))
		ask := func(method, body string) int {
			req, err := http.NewRequestWithContext(t.Context(), method, user.Server+"/api/v1/namespaces/default/variables", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if strings.Contains(string(text), "role-test-value") {
				t.Errorf("%s %s shows the value", role, method)
			}
			return resp.StatusCode
		}
		if got := [2]int{ask("GET", ""), ask("POST", `{"name":"ROLE_TEST","value":"role-test-value"}`)}; got != want {
			t.Errorf("%s: list and set answer %v, want %v", role, got, want)
		}
		out, err := slipway(t, "kubectl", "auth", "can-i", "get", "secrets", "-n", "default", "--as", role, "--as-group", fmt.Sprintf("slipway:default:%ss", role))
		if err == nil || !strings.Contains(out, "no") {
			t.Errorf("%s may read Secrets: %s", role, out)
		}
	}
}
