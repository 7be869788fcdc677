package runjob

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"out/", "out", true}, {"out/", "out/a", false}, {"*.txt", "a.txt", true}, {"*.txt", "d/a.txt", false}, {"**/*.txt", "d/e/a.txt", true},
		{"**/*.txt", "a.txt", true}, {"out/**", "out/a", true}, {"a?c", "abc", true}, {"./x", "x", true}, {"x", "xy", false},
	} {
		p, err := newPatterns("/builds/a", []string{c.pattern})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.match(c.name); got != c.want {
			t.Errorf("%q %q: %v", c.pattern, c.name, got)
		}
	}
	list := []string{"/builds/a/out/*", "/builds/a", "../x", "/etc/*", "/builds/ab/x", "a/../../b", " ", "/builds/a/../b"}
	p, err := newPatterns("/builds/a", list)
	if err != nil || !slices.Equal(p, patterns{"out/*", "."}) {
		t.Errorf("%q %v", p, err)
	}
	if out := outside("/builds/a", list); len(out) != 5 {
		t.Errorf("outside: %q", out)
	}
}

// FuzzPatterns: whatever a pattern is, it leads nowhere but below the directory.
func FuzzPatterns(f *testing.F) {
	for _, s := range []string{"../x", "/builds/a/../b", "{a,../b}", "**/..", "[", "a\x00b"} {
		f.Add(s, "out/a")
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "inside"), nil, 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, pattern, exclude string) {
		files, err := chosen{paths: []string{pattern}, exclude: []string{exclude}}.match(dir)
		if err == nil && len(files) > 0 && !slices.Equal(files, []string{"inside"}) {
			t.Errorf("%q chooses %q", pattern, files)
		}
	})
}
