package text

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in         string
		n          int
		clip, mark string
	}{
		{"", 0, "", ""},
		{"abc", 3, "abc", "abc"},
		{"abcd", 3, "abc", "abc…"},
		{"aé", 2, "a", "a…"},
		{"日本", 4, "日", "日…"},
		{"a\xffb", 10, "a\uFFFDb", "a\uFFFDb"},
		{"a\xff", 1, "a", "a…"},
	} {
		if got := Clip(c.in, c.n); got != c.clip {
			t.Errorf("Clip(%q, %d) = %q, want %q", c.in, c.n, got, c.clip)
		}
		if got := Mark(c.in, c.n); got != c.mark {
			t.Errorf("Mark(%q, %d) = %q, want %q", c.in, c.n, got, c.mark)
		}
	}
}

func FuzzClip(f *testing.F) {
	f.Add("a\xff日本", 3)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 0 {
			return
		}
		short := Clip(s, n)
		if len(short) > n || !utf8.ValidString(short) || !strings.HasPrefix(strings.ToValidUTF8(s, "\uFFFD"), short) {
			t.Fatalf("%q of %q", short, s)
		}
	})
}
