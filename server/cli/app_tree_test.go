package cli

import (
	"strings"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

func TestBranchesOfATree(t *testing.T) {
	node := func(id, parent string) apply.Node {
		return apply.Node{ObjectReference: v1alpha1.ObjectReference{Kind: "K", Name: id}, ID: id, Parent: parent}
	}
	table := treeTable("web", []apply.Node{node("a", ""), node("b", "a"), node("c", "b"), node("d", "a"), node("e", ""), node("f", "e")})
	var got []string
	for _, r := range table.rows {
		got = append(got, r[0])
	}
	want := `Application/web
├── K/a
│   ├── K/b
│   │   └── K/c
│   └── K/d
└── K/e
    └── K/f`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}
