package unit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	text := Text("/usr/local/bin/slipway", []string{"--data-dir", "/srv/my data", "--name", "50%"})
	for _, want := range []string{
		`ExecStart=/usr/local/bin/slipway server --data-dir "/srv/my data" --name 50%%` + "\n",
		"KillMode=process\n", "Delegate=yes\n", "Restart=always\n", "WantedBy=multi-user.target\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestCopyProgramChangesNothingTheSecondTime(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "bin", "to")
	if err := os.WriteFile(from, []byte("one"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		if changed, err := copyProgram(from, to); err != nil || changed != want {
			t.Fatalf("copy %d: %v %v", i, changed, err)
		}
	}
	if err := os.WriteFile(from, []byte("two"), 0o755); err != nil {
		t.Fatal(err)
	}
	if changed, err := copyProgram(from, to); err != nil || !changed {
		t.Fatalf("same size, other content: %v %v", changed, err)
	}
}

// The role in ansible/ carries the unit as a template; the two must not drift.
func TestAnsibleTemplateIsTheSameUnit(t *testing.T) {
	template, err := os.ReadFile("../../ansible/roles/server/templates/slipway.service.j2")
	if err != nil {
		t.Fatal(err)
	}
	want := withoutExec(Text(Program, nil))
	if got := withoutExec(string(template)); got != want {
		t.Errorf("template:\n%s\nunit:\n%s", got, want)
	}
}

func withoutExec(unit string) string {
	var kept []string
	for line := range strings.Lines(unit) {
		if !strings.HasPrefix(line, "ExecStart=") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
