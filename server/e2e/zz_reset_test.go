package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestResetLeavesNothing runs last: it takes the shared server down.
func TestResetLeavesNothing(t *testing.T) {
	must(t, "reset", "--data", "--data-dir", dataDir)
	<-server.done
	server = nil
	if _, err := os.Stat(dataDir); !os.IsNotExist(err) {
		t.Errorf("the data directory is still there: %v", err)
	}
	for name, args := range map[string][]string{
		"links":  {"ip", "-o", "link"},
		"routes": {"ip", "-4", "route", "show", "table", "all", "type", "unreachable"},
		"tables": {"nft", "list", "tables"},
	} {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, " lo: ") && strings.TrimSpace(line) != "" {
				t.Errorf("left of %s: %s", name, line)
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), dataDir) {
		t.Errorf("mounts are left: %v", err)
	}
	if out, _ := exec.Command("pgrep", "-f", dataDir).Output(); len(out) > 0 {
		t.Errorf("processes are left: %s", out)
	}
}
