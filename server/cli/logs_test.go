package cli

import "testing"

func TestShown(t *testing.T) {
	for line, want := range map[string]string{
		"plain 日本\tx\ny":                    "plain 日本\tx\ny",
		"\x1b[31mred\x1b[0m":                "\x1b[31mred\x1b[0m\x1b[0m",
		"\x1b[1;38:5:3mno end":              "\x1b[1;38:5:3mno end\x1b[0m",
		"\x1b]52;c;cm0gLXJm\x07":            `\x1b]52;c;cm0gLXJm\x07`,
		"\x1b[2J\x1b[1A":                    `\x1b[2J\x1b[1A`,
		"progress 1%\rprogress 2%":          `progress 1%\x0dprogress 2%`,
		"\u009b2J \x00 \x7f":                `\x9b2J \x00 \x7f`,
		"exe\u202egnp.txt \x1b[31\x1b[mred": "exe\\x202egnp.txt \\x1b[31\x1b[mred\x1b[0m",
	} {
		if got := shown(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
