package gitlab

import (
	"os"
	"strings"
	"testing"
)

// TestDocs walks the table of docs/gitlab-ci.md.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/gitlab-ci.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || !strings.HasPrefix(line, "| `") {
			continue
		}
		rows++
		keyword, shown := strings.Trim(cells[0], "|` "), strings.Trim(cells[2], "|` ")
		last := keyword[strings.LastIndexByte(keyword, ':')+1:]
		if cells[1] == "works" {
			file, err := os.ReadFile("testdata/corpus/" + shown + ".yml")
			if err != nil || !strings.Contains(string(file), last) {
				t.Errorf("%s is not in %s: %v", keyword, shown, err)
			}
			continue
		}
		refused := false
		_, problems := Compile(File, []byte("job: "+shown), context(""))
		for _, p := range problems {
			refused = refused || p.Rule == ruleUnsupported && strings.Contains(p.Message, last)
		}
		if !refused {
			t.Errorf("%s is not refused by name: %v", keyword, problems)
		}
	}
	if rows < 70 {
		t.Errorf("%d rows", rows)
	}
}
