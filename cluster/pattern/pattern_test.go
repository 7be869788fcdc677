package pattern

import (
	"regexp"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "a/b", true}, {"main", "main", true}, {"main", "mains", false},
		{"review/*", "review/fix/1", true}, {"review/*", "review", false}, {"*-stable", "1-2-stable", true}, {"*-stable", "stable", false},
		{"v*.*", "v1.2", true}, {"v*.*", "v12", false}, {"a*a", "a", false}, {"a*a", "aa", true}, {"a**b", "ab", true},
		{"[a-z]", "b", false}, {"?", "a", false}, {"*a*b*", "xbxaxbx", true}, {"*a*b*", "xbxa", false},
	} {
		if got := Match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%q on %q is %v", tt.pattern, tt.name, got)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b", "axb")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern)+len(name) > 1000 || strings.ContainsAny(pattern+name, "\n\xff") {
			return
		}
		re, err := regexp.Compile("(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
		if err != nil {
			return
		}
		if want := re.MatchString(name); want != Match(pattern, name) {
			t.Errorf("%q on %q is %v", pattern, name, !want)
		}
	})
}
