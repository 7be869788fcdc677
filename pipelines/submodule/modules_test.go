package submodule

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	got, err := Parse([]byte("[submodule \"z\"]\n\tpath = libs/z/\n\turl = ../z.git\n[submodule \"a b\"]\n\tpath = a\n\turl = https://example.org/a\n\tbranch = x\n"))
	if err != nil || len(got) != 2 || got[0] != (Module{"a b", "a", "https://example.org/a"}) || got[1] != (Module{"z", "libs/z", "../z.git"}) {
		t.Errorf("%+v %v", got, err)
	}
	for name, text := range map[string]string{
		"above":          "[submodule \"a\"]\n\tpath = ../a\n\turl = b\n",
		"within .git":    "[submodule \"a\"]\n\tpath = x/.GIT/hooks\n\turl = b\n",
		"absolute":       "[submodule \"a\"]\n\tpath = /etc\n\turl = b\n",
		"name above":     "[submodule \"../../x\"]\n\tpath = a\n\turl = b\n",
		"no url":         "[submodule \"a\"]\n\tpath = a\n",
		"no path":        "[submodule \"a\"]\n\turl = b\n",
		"not git's form": "[submodule\n",
		"too large":      strings.Repeat("#\n", maxFile),
	} {
		if got, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWanted(t *testing.T) {
	for _, tt := range []struct{ specs, yes, no string }{
		{"", "a b/c", ""},
		{"a", "a", "b ab"},
		{"libs", "libs/a libs/b/c", "lib other"},
		{":(exclude)a", "b", "a a/b"},
		{"libs :!libs/b", "libs/a", "libs/b x"},
		{"libs/*", "libs/a", "x"},
		{". :^a", "b", "a"},
	} {
		for _, name := range strings.Fields(tt.yes) {
			if !Wanted(name, strings.Fields(tt.specs)) {
				t.Errorf("%s is not wanted by %q", name, tt.specs)
			}
		}
		for _, name := range strings.Fields(tt.no) {
			if Wanted(name, strings.Fields(tt.specs)) {
				t.Errorf("%s is wanted by %q", name, tt.specs)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("[submodule \"a\"]\n\tpath = a\n\turl = ../b.git\n"))
	f.Add([]byte("[submodule \"a\\\"\"]\n\tpath = \"a\n\turl = $(x)\n; c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		modules, err := Parse(data)
		for _, m := range modules {
			if err == nil && local(m.Path) != nil {
				t.Errorf("path %q", m.Path)
			}
			absolute("https://example.org/a/b.git", m.URL)
			place(m.URL)
		}
	})
}
