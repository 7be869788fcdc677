package e2e

import (
	"strings"
	"testing"
)

// TestStory tells what `make demo` tells, on the shared server.
func TestStory(t *testing.T) {
	out, err := slipway(t, "demo")
	t.Log(out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "Every step held") {
		t.Fatal("the story has no end")
	}
}
