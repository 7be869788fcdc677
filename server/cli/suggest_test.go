package cli

import (
	"io"
	"strings"
	"testing"
)

// TestMistypedVerbs: one that is nearly right is named.
func TestMistypedVerbs(t *testing.T) {
	for line, want := range map[string]string{"staus": "try `slipway status`", "app lst": "try `slipway app list`", "xyzzyx": "try `slipway --help`"} {
		root := Root()
		root.SetArgs(strings.Fields(line))
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}
