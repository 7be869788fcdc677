package generate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation"
)

func TestExpand(t *testing.T) {
	p := Params{"branch": "feature/A {{commit}}", "branch.slug": "feature-a", "commit": "c1"}
	for _, c := range []struct{ text, want, fault string }{
		{"plain", "plain", ""},
		{"shop-{{branch.slug}}", "shop-feature-a", ""},
		{"{{ branch.slug }}/{{commit}}", "feature-a/c1", ""},
		{"{{branch}}", "feature/A {{commit}}", ""}, // values are not filled in again
		{"{{brnch}}", "", "placeholder {{brnch}} is not known here; known: branch, branch.slug, commit"},
		{"{{branch", "", "{{ without }}"},
		{"branch}}", "", "}} without {{"},
		{`{{ printf "%s" .Env }}`, "", "is not known here"},
		{"{{}}", "", "is not known here"},
	} {
		got, err := p.expand(c.text)
		if c.fault != "" {
			require.ErrorContains(t, err, c.fault, c.text)
			continue
		}
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got)
	}
	_, err := p.fill(map[string]any{"{{branch}}": "x"})
	require.ErrorContains(t, err, "not in keys")
	v, err := p.fill(map[string]any{"a": []any{"{{commit}}", 3.0, true, nil}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": []any{"c1", 3.0, true, nil}}, v)
}

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{
		"main": "main", "feature/Login page": "feature-login-page", "--x--": "x", "../..": "x", "Ünïcode": "n-code", "": "x",
		"a//b__c": "a-b-c", strings.Repeat("long/", 20): "long-long-long-long-long-long-long-long",
	} {
		require.Equal(t, want, Slug(in), in)
	}
}

func TestNamesAreBoundedAndKeptApart(t *testing.T) {
	long := strings.Repeat("a", 60)
	require.Equal(t, "short", Bounded("short", 40))
	require.Len(t, Bounded(long, 40), 40)
	require.NotEqual(t, Bounded(long+"x", 40), Bounded(long+"y", 40))
	seen := map[string]bool{}
	for _, tenant := range []string{"a", "a-b", strings.Repeat("t", 60)} {
		for _, set := range []string{"s", "s2"} {
			for _, app := range []string{"x", "b-x", strings.Repeat("z", 40), strings.Repeat("z", 39) + "y"} {
				ns := PreviewNamespace(tenant, set, app)
				require.Empty(t, validation.IsDNS1123Label(ns), ns)
				require.False(t, seen[ns], ns)
				seen[ns] = true
			}
		}
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("shop-{{branch.slug}}", "feature/x")
	f.Add("{{{{branch}}}}", "}}{{")
	f.Fuzz(func(t *testing.T, text, branch string) {
		p := Params{"set": "s"}
		p.both("branch", branch)
		got, err := p.expand(text)
		if err == nil && !strings.Contains(text, "{{") && got != text {
			t.Fatalf("%q became %q", text, got)
		}
		if faults := validation.IsDNS1123Label(Slug(branch)); len(faults) > 0 {
			t.Fatalf("slug of %q: %v", branch, faults)
		}
		if ns := PreviewNamespace("default", "s", Bounded(Slug(branch), maxName)); len(validation.IsDNS1123Label(ns)) > 0 {
			t.Fatalf("namespace %q", ns)
		}
	})
}
