package clients

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// node runs a script of the directory node, whose modules `make clients` fetches.
func node(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := os.Stat("node/node_modules"); err != nil {
		t.Fatal("node's clients are not installed; `make clients` fetches them, as `make test` does")
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = "node"
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", args, err, said.String())
	}
	return strings.TrimSpace(string(out))
}

func TestNodeClient(t *testing.T) {
	s := serve(t)
	want := `{"version":"8.19.0","bulk":[1000,0],"total":225,"first":["row 897 <b>","row 893 <b>"],"hosts":[{"doc_count":225,"key":"h1","top":{"value":897}}],` +
		`"pages":1000,"caps":["keyword"],"cat":[["logs-node-default","1000"]],"error":[400,"parsing_exception"]}`
	if got := node(t, "elastic.mjs", s.URL+"/elastic"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
