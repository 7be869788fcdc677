package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func said(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	root := Root()
	root.SetArgs(args)
	root.SetOut(&out)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("slipway %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

func TestVersion(t *testing.T) {
	var v Version
	if err := json.Unmarshal([]byte(said(t, "version", "-o", "json")), &v); err != nil {
		t.Fatal(err)
	}
	// The binary of a test does not say what it carries.
	required, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range carried {
		if !bytes.Contains(required, []byte("\t"+m.module+" v")) {
			t.Errorf("%s: go.mod does not require %s", m.name, m.module)
		}
	}
	if v.Go == "" || v.Commit == "" {
		t.Errorf("%+v", v)
	}
	if s := said(t, "--version"); !strings.HasPrefix(s, "slipway version ") {
		t.Errorf("--version says %q", s)
	}
	if s := said(t, "app", "list", "--help"); strings.Contains(s, "--version") {
		t.Errorf("a verb shows the version flag of Kubernetes' libraries:\n%s", s)
	}
}
