package gitlab

import (
	"strings"
	"testing"
	"time"
)

func vars(name string) datum {
	switch name {
	case "A":
		return datum{text: "a"}
	case "EMPTY":
		return datum{}
	case "BLANK":
		return datum{text: "  "}
	case "RE":
		return datum{text: "/^A$/i"}
	case "SECRET":
		return datum{text: "hush", hidden: true}
	}
	return datum{null: true}
}

func TestExpressions(t *testing.T) {
	tests := []struct {
		in   string
		want bool
	}{
		{`$A`, true}, {`$NOPE`, false}, {`$EMPTY`, false}, {`$BLANK`, false}, {`"x"`, true}, {`""`, false}, {`null`, false},
		{`$A == "a"`, true}, {`$A == 'a'`, true}, {`$A=="a"`, true}, {`"a" == $A`, true}, {`$A != "a"`, false}, {`$A == $A`, true},
		{`$NOPE == null`, true}, {`$EMPTY == null`, false}, {`$EMPTY == ""`, true}, {`$NOPE == ""`, false}, {`$NOPE != null`, false},
		{`$A =~ /a/`, true}, {`$A =~ /A/`, false}, {`$A =~ /A/i`, true}, {`$A !~ /b/`, true}, {`$NOPE =~ /x/`, false}, {`$NOPE !~ /x/`, true},
		{`$A =~ $RE`, true}, {`$A =~ $NOPE`, false}, {`$A =~ $A`, true}, {`$A =~ $SECRET`, false}, {`"us" =~ $SECRET`, true}, {`$SECRET =~ $A`, false}, {`$NOPE =~ $A`, true}, {`$A !~ $SECRET`, true}, {`"a/b" =~ /a\/b/`, true}, {`"v1.2.3" =~ /^v\d+\.\d+\.\d+$/`, true},
		{`$A && $NOPE`, false}, {`$A || $NOPE`, true}, {`$NOPE || $A`, true}, {`$EMPTY && $A`, false},
		{`$NOPE == "x" && $NOPE == "y" || $A`, true}, {`$A || $NOPE && $NOPE`, true}, {`($A || $NOPE) && $NOPE`, false},
		{`($A)`, true}, {`(($A == "a"))`, true}, {`($NOPE || $A) == "a"`, true}, {"$A ==\n  \"a\"", true},
		{`$SECRET`, true}, {`$SECRET != null`, true}, {`$SECRET == null`, false},
		{`$SECRET == "hush"`, true}, {`$SECRET == "x"`, false}, {`$SECRET != "hush"`, false}, {`$SECRET =~ /^h/`, true}, {`$SECRET !~ /x/`, true}, {`"hush" == $SECRET`, true},
	}
	for _, tt := range tests {
		n, err := parseExpr(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if d, err := n.eval(vars); err != nil || d.true() != tt.want {
			t.Errorf("%s is %v %v, want %v", tt.in, d.true(), err, tt.want)
		}
	}
}

func TestExpressionErrors(t *testing.T) {
	for _, in := range []string{``, ` `, `$`, `$A ==`, `== $A`, `$A = "a"`, `$A "a"`, `(`, `($A`, `$A)`, `"a`, `/a`, `$A =~ /[/`,
		`$A == /a/`, `/a/ =~ $A`, `$A =~ /a/x`, `nul`, `nullx`, `1`, `$A & $A`, `!$A`, `${A}`,
		strings.Repeat("(", 60) + "$A" + strings.Repeat(")", 60), strings.Repeat("$A ||", 5000) + "$A"} {
		if _, err := parseExpr(in); err == nil {
			t.Errorf("%q is accepted", clip(in))
		}
	}
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"1h 30m": 90 * time.Minute, "90 minutes": 90 * time.Minute, "3 hours 20 minutes": 200 * time.Minute, "42": 42 * time.Second,
		"2h20min": 140 * time.Minute, "3 mins 4 sec": 184 * time.Second, "1 day and 2 hours": 26 * time.Hour, "1.5 hours": 90 * time.Minute,
		"3 weeks and 2 days": 23 * day, "6 mos 1 day": 181 * day, "1 WEEK": 7 * day, "0": 0,
	} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("%q is %v %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "soon", "1 fortnight", "1h 30", "-1h", "99999999999999h", "1000 years", ".", "1..2h", "h"} {
		if d, err := parseDuration(in); err == nil {
			t.Errorf("%q is %v", in, d)
		}
	}
}

// TestHostileFiles: what would take time, memory or the stack is refused quickly.
func TestHostileFiles(t *testing.T) {
	var wide, empties, templates strings.Builder
	empties.WriteString(".a0: &a0 []\n")
	for i := 1; i < 10; i++ {
		prev := "*a" + string(rune('0'+i-1)) + ", "
		empties.WriteString(".a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat(prev, 9) + "]\n")
	}
	empties.WriteString("job: {script: *a9}\n")
	for i := range maxJobs + 1 {
		wide.WriteString("job" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + ": {script: echo}\n")
	}
	templates.WriteString(".m: &m00 {x: 1}\n")
	for i := 1; i < 40; i++ {
		a, b := "*m"+itoa(i-1), itoa(i)
		templates.WriteString(".m" + b + ": &m" + b + " {a: " + a + ", b: " + a + "}\n")
	}
	templates.WriteString(".x: {variables: *m39}\n.y: {variables: {a: *m38, b: *m37}}\njob: {script: echo, extends: [.x, .y, .x, .y]}\n")
	for name, in := range map[string]string{
		"flow": strings.Repeat("[", 100_000), "blocks": strings.Repeat("- ", 100_000), "tags": "a: " + strings.Repeat("!x ", 100_000),
		"anchors": strings.Repeat("&a ", 100_000), "size": strings.Repeat("#", maxBytes+1), "keys": strings.Repeat("? ", 50_000),
		"empty lists": empties.String(), "jobs": wide.String(), "templates": templates.String(), "nul": "a: {script: \"\\0\"}",
		"braces": "a: {" + strings.Repeat("{", 50_000), "quote": "a: \"" + strings.Repeat("\\", 99_999),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, problems := Compile(File, []byte(in), context("")); len(problems) == 0 {
				t.Error("accepted")
			}
			if d := time.Since(start); d > time.Minute {
				t.Errorf("took %v", d)
			}
		})
	}
}

func itoa(n int) string { return string([]byte{'0' + byte(n/10), '0' + byte(n%10)}) }
