package embedded

import (
	"strings"
	"testing"
)

func TestParseNameHostilePaths(t *testing.T) {
	for _, s := range []string{
		"", "/", "a", "a/", "/a", "a//b", "../a", "a/../b", "a/./b", "a/b/", "A/b", "a/B", "a/b\x00", "a/b\r", "a/b\n",
		"a/-b", "a/b-", "-a/b", "a/b c", "a/%2e%2e", "a\\b/c", "a/b___c", "a/b..c", "a/é",
		strings.Repeat("a", 64) + "/b", "a/" + strings.Repeat("b", 300), "a:80/b",
	} {
		if n, err := ParseName(s); err == nil {
			t.Errorf("%q was accepted as %+v", s, n)
		}
	}
}

func TestParseNameKinds(t *testing.T) {
	for s, kind := range map[string]Kind{
		"default/hello":             Tenant,
		"default/shop/web":          Tenant,
		"system/toolbox":            System,
		"docker.io/library/node":    Upstream,
		"127.0.0.1_5000/x":          Upstream,
		"localhost_5000/x":          Upstream,
		"slipway__artifacts/x/plan": Internal,
	} {
		n, err := ParseName(s)
		if err != nil || n.Kind != kind || n.String() != s {
			t.Errorf("%q: %+v, %v", s, n, err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"default/hello", "../x", "docker.io/library/node", "a/b\x00", "system/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		if n.String() != s || strings.Contains(s, "..") || strings.ContainsAny(s, "\x00\\ \r\n") || strings.HasPrefix(s, "/") {
			t.Fatalf("%q was accepted as %+v", s, n)
		}
		if n.Kind == Tenant && strings.ContainsAny(n.Owner, "._") {
			t.Fatalf("%q looks like a tenant", s)
		}
	})
}
