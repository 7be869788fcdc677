package gitlab

import (
	"os"
	"strings"
	"testing"
)

// TestPages: the pipelines that pages show, fenced or indented, are taken as they are.
func TestPages(t *testing.T) {
	for page, begins := range map[string]string{"pipelines.md": "build:\n", "variables.md": "deploy:\n", "environments.md": "    deploy:\n"} {
		data, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(string(data), "\n"+begins)
		if !ok {
			t.Errorf("%s shows no pipeline", page)
			continue
		}
		file := begins
		for line := range strings.Lines(rest) {
			if strings.HasPrefix(line, "```") || strings.HasPrefix(begins, " ") && !strings.HasPrefix(line, "    ") {
				break
			}
			file += line
		}
		if _, problems := Compile(File, []byte(file), context("")); len(problems) > 0 || !strings.Contains(file, "script") {
			t.Errorf("%s: %v\n%s", page, problems, file)
		}
	}
}
