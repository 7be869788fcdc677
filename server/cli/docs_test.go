package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/shlex"
	"github.com/spf13/cobra"
)

var (
	// written are the commands of a line: behind a prompt or an indent, or in backticks.
	written = regexp.MustCompile("(?:^ {4,}|^\\$ |^|`)(?:sudo |build/)?slipway ([a-z][^`]*)")
	// ends are where a shell's next command, a redirection, a comment or another column begins.
	ends = regexp.MustCompile(`\s[|>#&;<]|\s{3,}|\\$|;|\d?>`)
)

// TestDocsNameVerbsThatExist holds what the pages tell people to type to the verbs and
// flags that there are.
func TestDocsNameVerbsThatExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, "../../README.md", "../../README.zh-CN.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range written.FindAllStringSubmatch(line, -1) {
				command := m[1]
				if end := ends.FindStringIndex(command); end != nil {
					command = command[:end[0]]
				}
				found++
				if problem := wrong(command); problem != "" {
					t.Errorf("%s:%d: `slipway %s`: %s", page, i+1, command, problem)
				}
			}
		}
	}
	if found < 200 {
		t.Errorf("%d commands found in %d pages; is the expression right?", found, len(pages))
	}
}

// wrong says what a command line has that there is not.
func wrong(command string) string {
	if strings.Count(command, `"`)%2 == 1 {
		command += `"` // goes on in the next line
	}
	words, err := shlex.Split(command)
	if err != nil {
		return err.Error()
	}
	if words[0] == "build" || words[0] == "deploy" {
		return "" // what jobs have, of the runner
	}
	cmd, rest, err := Root().Find(words)
	if err != nil {
		return err.Error()
	}
	if cmd.DisableFlagParsing {
		return ""
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return "no verb " + rest[0]
	}
	for _, w := range rest {
		switch {
		case w == "--":
			return ""
		case strings.HasPrefix(w, "--"):
			name, _, _ := strings.Cut(w[2:], "=")
			if flag(cmd, name) {
				continue
			}
			return "no flag --" + name
		case len(w) > 1 && w[0] == '-' && cmd.Flags().ShorthandLookup(w[1:2]) == nil && cmd.InheritedFlags().ShorthandLookup(w[1:2]) == nil:
			return "no flag " + w
		}
	}
	return ""
}

func flag(cmd *cobra.Command, name string) bool {
	return name == "help" || cmd.Flags().Lookup(name) != nil || cmd.InheritedFlags().Lookup(name) != nil
}
