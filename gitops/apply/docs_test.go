package apply

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// rows of the tables below a heading of a page, or of a text before a table.
func rows(t *testing.T, page, from, to string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), from)
	require.True(t, ok, "%s has no %q", page, from)
	rest, _, ok = strings.Cut(rest, to)
	require.True(t, ok, "%s has no %q", page, to)
	var out [][]string
	for line := range strings.Lines(rest) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "|---") {
			out = append(out, strings.Split(strings.Trim(line, "|"), "|"))
		}
	}
	return out
}

func noting(key, value string) error {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "batch/v1", "kind": "Job"}}
	o.SetName("j")
	o.SetAnnotations(map[string]string{key: value})
	_, err := newPlan([]*unstructured.Unstructured{o}, 1, true, true)
	return err
}

// TestPagesOnMigrationSayWhatIsSo holds the words of docs/from-argocd.md and from-flux.md
// about annotations to what is done with them.
func TestPagesOnMigrationSayWhatIsSo(t *testing.T) {
	checked := 0
	holds := func(said, key, value string) {
		t.Helper()
		err := noting(key, value)
		switch {
		case strings.Contains(said, "refused by name"):
			require.ErrorContains(t, err, value, "%s: %s", key, value)
		case strings.Contains(said, "understood"), strings.Contains(said, "accepted"), strings.Contains(said, "stay"):
			require.NoError(t, err, "%s: %s", key, value)
		default:
			return
		}
		checked++
	}
	for _, row := range rows(t, "from-argocd.md", "## Sync options", "An option that is not in this table") {
		for _, m := range quoted.FindAllStringSubmatch(row[0], -1) {
			if said := row[len(row)-1]; strings.Contains(m[1], "=") {
				holds(said, argoPrefix+"sync-options", m[1])
			}
		}
	}
	for _, row := range rows(t, "from-argocd.md", "## Annotations of objects", "Hooks differ in one thing") {
		names := quoted.FindAllStringSubmatch(row[0], -1)
		if len(names) > 1 && names[0][1] == "hook" {
			for _, m := range names[1:] {
				holds(row[1], argoPrefix+"hook", m[1])
			}
		}
	}
	for _, row := range rows(t, "from-flux.md", "`kustomize.toolkit.fluxcd.io/`", "## HelmRelease") {
		key := ""
		for _, m := range quoted.FindAllStringSubmatch(row[0], -1) {
			k, value, ok := strings.Cut(m[1], ": ")
			if ok {
				key = k
			} else {
				value = m[1]
			}
			holds(row[1], "kustomize.toolkit.fluxcd.io/"+key, value)
		}
	}
	require.Greater(t, checked, 20)
}
