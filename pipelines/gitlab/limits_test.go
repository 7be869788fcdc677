package gitlab

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// repeat a line with its number in it.
func repeat(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
	}
	return b.String()
}

// TestLimits: what is as large as is allowed compiles; what is larger, or made to grow,
// is refused by the limit's name, in bounded time and memory.
func TestLimits(t *testing.T) {
	const job = "job: {script: x}\n"
	bomb := "a0: &a0 [x, x]\n"
	for i := 1; i < 40; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	chain := map[string]string{}
	for i := range 60 {
		chain[fmt.Sprintf("%d.yml", i)] = fmt.Sprintf("include: %d.yml\n", i+1)
	}
	chain["60.yml"] = job
	many := map[string]string{}
	for i := range 200 {
		many[fmt.Sprintf("many/%d.yml", i)] = fmt.Sprintf(".t%d: {script: x}\n", i)
	}
	outside := map[string]string{"../secret.yml": job, "/etc/passwd.yml": job, "a/../../secret.yml": job}
	var chained []string
	for i := 1; i < 13; i++ {
		chained = append(chained, fmt.Sprintf(".e%d: {extends: .e%d}\n", i, i-1))
	}
	doubling := "A0: xxxxxxxxxxxxxxxx\n"
	for i := 1; i < 40; i++ {
		doubling += fmt.Sprintf("  A%d: $A%d$A%d\n", i, i-1, i-1)
	}
	for name, tt := range map[string]struct {
		content string
		files   map[string]string
		jobs    int    // of a file that is right
		rule    string // of one that is not
		says    string
	}{
		"1,000 jobs":             {content: repeat(maxJobs, "j#: {script: x}\n"), jobs: maxJobs},
		"1,001 jobs":             {content: repeat(maxJobs+1, "j#: {script: x}\n"), rule: ruleLimit, says: "1000 jobs"},
		"1,200 copies":           {content: repeat(6, "j#: {script: x, parallel: 200}\n"), rule: ruleLimit, says: "1000 jobs"},
		"matrix that multiplies": {content: "j:\n  script: x\n  parallel:\n    matrix:\n    - {" + strings.TrimSuffix(repeat(6, "V#: [a, b, c, d, e, f, g, h, i, j], "), ", ") + "}\n", rule: ruleLimit, says: "200"},
		"10,000 lines":           {content: "job:\n  script:\n" + repeat(maxLines, "  - echo #\n"), jobs: 1},
		"10,001 lines":           {content: "job:\n  script:\n" + repeat(maxLines+1, "  - echo #\n"), rule: ruleLimit, says: "10000"},
		"600 KiB of script":      {content: "job: {script: " + strings.Repeat("x", 600<<10) + "}\n", rule: ruleLimit, says: "524288"},
		"file of 1 MiB":          {content: job + "# " + strings.Repeat("x", maxBytes), rule: ruleLimit, says: "1048576"},
		"60 levels":              {content: "job: {script: " + strings.Repeat("[", 60) + "x" + strings.Repeat("]", 60) + "}", rule: ruleLimit, says: "50"},
		"block of 300 levels": {content: func() (s string) {
			for i := range 300 {
				s += strings.Repeat(" ", i) + "a:\n"
			}
			return s + strings.Repeat(" ", 300) + "b\n"
		}(), rule: ruleLimit, says: "50"},
		"alias bomb":            {content: bomb + "job: {script: *a39}\n", rule: ruleLimit},
		"alias bomb, variables": {content: bomb + "job: {script: x, variables: {A: *a39}}\n", rule: ruleType},
		"alias of itself":       {content: "a: &a [*a]\n" + job, rule: ruleSyntax},
		"3,000 anchors":         {content: repeat(3000, "# \n") + repeat(3000, ".a#: &a# x\n") + job, rule: ruleLimit, says: "2000"},
		"references in a circle": {content: ".a: {x: !reference [.b, x]}\n.b: {x: !reference [.a, x]}\njob: {script: !reference [.a, x]}\n",
			rule: ruleReference},
		"extends in a circle":  {content: ".a: {extends: .b}\n.b: {extends: .a}\njob: {extends: .a, script: x}\n", rule: ruleExtends},
		"extends of 13":        {content: ".e0: {script: x}\n" + strings.Join(chained, "") + "job: {extends: .e12}\n", rule: ruleLimit, says: "10 deep"},
		"include of itself":    {content: "include: .gitlab-ci.yml\n" + job, rule: ruleInclude},
		"include loop":         {content: "include: a.yml\n" + job, files: map[string]string{"a.yml": "include: b.yml\n", "b.yml": "include: a.yml\n"}, rule: ruleInclude},
		"60 nested includes":   {content: "include: 0.yml\n", files: chain, rule: ruleLimit, says: "50"},
		"200 includes":         {content: "include: many/*.yml\n" + job, files: many, rule: ruleLimit, says: "150"},
		"an include 151 times": {content: "include: [" + strings.Repeat("a.yml, ", 150) + "a.yml]\n" + job, files: map[string]string{"a.yml": ".a: {script: x}\n"}, rule: ruleLimit, says: "150"},
		"includes of 10 MB": {content: "include: many/*.yml\n" + job, files: func() map[string]string {
			m := map[string]string{}
			for i := range 12 {
				m[fmt.Sprintf("many/%d.yml", i)] = "# " + strings.Repeat("x", 900<<10) + "\n"
			}
			return m
		}(), rule: ruleLimit, says: "8388608"},
		"include above":               {content: "include: ../secret.yml\n" + job, files: outside, rule: ruleInclude},
		"include above, later":        {content: "include: a/../../secret.yml\n" + job, files: outside, rule: ruleInclude},
		"include by glob above":       {content: "include: '../*.yml'\n" + job, files: outside, rule: ruleInclude},
		"include of .git":             {content: "include: .git/config.yml\n" + job, rule: ruleInclude},
		"include with a NUL":          {content: "include: \"a\\0.yml\"\n" + job, rule: ruleInclude},
		"pattern that would blow up":  {content: "job: {script: x, variables: {A: " + strings.Repeat("a", 50_000) + "}, rules: [{if: '$A =~ /^(a+)+$/ && $A !~ /(a|a)*b/'}]}\n", jobs: 1},
		"pattern of a million states": {content: "job: {script: x, rules: [{if: '$CI =~ /((a{100}){100}){100}/'}]}\n", rule: ruleExpression},
		"glob that would blow up":     {content: "job: {script: x, rules: [{exists: ['" + strings.Repeat("*a", 1000) + "']}, {if: $CI}]}\n", files: map[string]string{strings.Repeat("a", 3000): ""}, jobs: 1},
		"expression of 200 brackets":  {content: "job: {script: x, rules: [{if: '" + strings.Repeat("(", 200) + "$CI" + strings.Repeat(")", 200) + "'}]}\n", rule: ruleExpression},
		"variables that double":       {content: "variables:\n  " + doubling + "job: {script: x, image: 'a:$CI_PIPELINE_IID', rules: [{if: $A39}]}\n", jobs: 1},
		"variable with a NUL":         {content: "variables: {A: \"a\\0b\"}\n" + job, rule: ruleValue, says: "NUL"},
		"variable's name":             {content: "variables: {\"A=B\": x}\n" + job, rule: ruleValue, says: "A=B"},
		"job's name with a newline":   {content: "\"a\\nb\": {script: x}\n", rule: ruleValue, says: "control"},
		"job's name of 300 bytes":     {content: strings.Repeat("n", 300) + ": {script: x}\n", rule: ruleValue, says: "255"},
		"job's name with any other":   {content: "\"a/../$(rm) \U0001F6A2 %s\": {script: x}\n", jobs: 1},
		"bytes that are no text":      {content: "job: {script: \"a\xff\xfe\"}\n", rule: ruleSyntax},
		"a job of NULs":               {content: "\x00\x00\x00", rule: ruleSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			c := context("")
			c.Files = tree{files: tt.files}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			p, problems := Compile(File, []byte(tt.content), c)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			if made := (after.TotalAlloc - before.TotalAlloc) >> 20; took > time.Minute || made > 1024 {
				t.Errorf("took %s and %d MiB", took, made)
			}
			if tt.rule == "" {
				if len(problems) > 0 || len(p.Jobs) != tt.jobs {
					t.Errorf("refused: %+v", problems)
				}
				return
			}
			found := false
			for _, x := range problems {
				found = found || x.Rule == tt.rule && strings.Contains(x.Message, tt.says)
			}
			if !found || len(problems) > maxProblems+1 {
				t.Errorf("want a problem of rule %s that says %q, got %d: %+v", tt.rule, tt.says, len(problems), problems)
			}
		})
	}
}
