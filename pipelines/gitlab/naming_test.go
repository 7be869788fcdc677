package gitlab

import (
	"strings"
	"testing"
)

func TestEnvironmentSlug(t *testing.T) {
	// The suffixes were computed apart: the last six digits, to base 36, of the
	// SHA-256 of the name.
	for name, want := range map[string]string{
		"production": "production", "staging": "staging", "review-pow": "review-pow", "a": "a",
		"review/pow": "review-pow-u1yu3x", "Production": "production-iis43c", "1-foo": "env-1-foo-1k46wz", "-": "env-dgv8k2",
	} {
		got := environmentSlug(name)
		if got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	for _, long := range []string{strings.Repeat("x", 25), strings.Repeat("review/", 30), "ünï"} {
		if s := environmentSlug(long); len(s) > 24 || strings.HasSuffix(s, "-") || strings.Contains(s, "--") {
			t.Errorf("%q is %q", long, s)
		}
	}
}

func TestTier(t *testing.T) {
	for name, want := range map[string]string{
		"dev": "development", "review/x": "development", "Trunk": "development", "test": "testing", "qa-1": "testing", "acceptance": "testing",
		"staging": "staging", "stg": "staging", "preprod": "staging", "demo": "staging", "production": "production", "live": "production",
		"prd": "production", "customer-portal": "other", "moon": "other", "integration": "testing",
	} {
		if got := tierOf(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, yes, no string
	}{
		{"Dockerfile", "Dockerfile", "Dockerfile.dev a/Dockerfile"},
		{"*", "a .hidden", "a/b"},
		{"*.md", "README.md .md", "docs/a.md README.mdx"},
		{"docs/*", "docs/a docs/.b", "docs/a/b"},
		{"docs/**", "docs/a", "docs/a/b"},
		{"docs/**/*", "docs/a docs/a/b docs/.a/b/c", "docs docs2/a"},
		{"**/*.{md,png}", "a.md a/b.png .x/c.md", "a.txt md"},
		{"**/Dockerfile", "Dockerfile a/b/Dockerfile", "aDockerfile"},
		{"a/**/b/**/c", "a/b/c a/x/b/y/z/c", "a/c"},
		{"{src,lib}/**/*.go", "src/a.go lib/x/y.go", "test/a.go"},
		{"a{b,{c,d}e}", "ab ace ade", "ac a"},
		{"file[0-9].txt", "file1.txt", "filex.txt file/.txt"},
		{"file[!0-9].txt", "filex.txt", "file1.txt file/.txt"},
		{"a?c", "abc a.c", "a/c ac"},
		{`a\*b`, "a*b", "axb"},
		{"a+b(c)$^|.x", "a+b(c)$^|.x", "aab(c)$^|.x a+b(c)$^|_x"},
		{"a{b", "a{b", "ab"}, {"a[b", "a[b", "ab"}, {"a,b}", "a,b}", "a"},
		{"测*/?é", "测试/xé", "测/xé/"},
	}
	for _, tt := range tests {
		re, err := compileGlob(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		for _, s := range strings.Fields(tt.yes) {
			if !re.MatchString(s) {
				t.Errorf("%s does not match %q", tt.pattern, s)
			}
		}
		for _, s := range strings.Fields(tt.no) {
			if re.MatchString(s) {
				t.Errorf("%s matches %q", tt.pattern, s)
			}
		}
	}
	for _, bad := range []string{strings.Repeat("x", maxGlob+1), strings.Repeat("{a,", 20) + strings.Repeat("}", 20), "[z-a]", "\xff"} {
		if _, err := compileGlob(bad); err == nil {
			t.Errorf("%q is accepted", clip(bad))
		}
	}
}
