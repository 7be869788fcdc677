package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestConsole runs the browser's test in Chromium against the shared server.
func TestConsole(t *testing.T) {
	r := newRepo(t, "looked-at", map[string]string{
		".gitlab-ci.yml":  "say: {image: busybox, script: [echo hello]}\n",
		"deploy/web.yaml": manifest("looked-at"),
	})
	must(t, "app", "create", r.name)
	r.push()
	r.finished()
	if _, err := user.WaitApp(t.Context(), r.name, 1); err != nil {
		t.Fatal(err)
	}
	r.write(map[string]string{"deploy/web.yaml": strings.Replace(manifest(r.name), "echo started", "echo again", 1)})
	r.push()
	r.finished()
	if _, err := user.WaitApp(t.Context(), r.name, 2); err != nil {
		t.Fatal(err)
	}
	token, err := user.Token()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "npm", "run", "--silent", "e2e")
	cmd.Dir = filepath.Join(top, "server", "console")
	cmd.Env = append(os.Environ(), "SLIPWAY_URL="+user.Server, "SLIPWAY_TOKEN="+token, "SLIPWAY_APP="+r.name)
	if picture := os.Getenv("SLIPWAY_PICTURE"); picture != "" && !filepath.IsAbs(picture) {
		cmd.Env = append(cmd.Env, "SLIPWAY_PICTURE="+filepath.Join(top, picture))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
