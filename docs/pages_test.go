// Package docs owns what is written for people. It has no code but the test that holds the
// pages to one another: start at TestLinks. What pages say about verbs, flags and objects is
// held to them where those are (server/cli, server/config, cluster/api/crds).
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`^#{1,6} (.+)$`)
	command = regexp.MustCompile(`(?:^| {3,})((?:build/)?slipway [a-z][a-z -]*[a-z]|make [a-z]+|git push \S+)`)
	code    = regexp.MustCompile("`[^`]*`")
)

// written are the pages, and the readmes beside them.
func written(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"*.md", "../*.md", "../ansible/*.md", "../examples/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v %v", pattern, found, err)
		}
		pages = append(pages, found...)
	}
	return pages
}

// lines of a page, and which of them are code.
func lines(t *testing.T, page string) (text []string, fenced []bool) {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.Split(string(data), "\n")
	within := false
	for _, l := range text {
		fence := strings.HasPrefix(strings.TrimSpace(l), "```")
		fenced = append(fenced, within || fence)
		within = within != fence
	}
	if within {
		t.Errorf("%s: a fence is not closed", page)
	}
	return text, fenced
}

// anchors of a page, as GitHub makes them of its headings.
func anchors(t *testing.T, page string) map[string]bool {
	text, fenced := lines(t, page)
	found := map[string]bool{}
	for i, l := range text {
		m := heading.FindStringSubmatch(l)
		if m == nil || fenced[i] {
			continue
		}
		found[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])] = true
	}
	return found
}

// TestLinks: what a page leads to within the repository is there, headings too.
func TestLinks(t *testing.T) {
	checked := 0
	for _, page := range written(t) {
		text, fenced := lines(t, page)
		for i, l := range text {
			if fenced[i] {
				continue
			}
			for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(l, "code"), -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				checked++
				file, anchor, _ := strings.Cut(m[1], "#")
				to := page
				if file != "" {
					to = filepath.Join(filepath.Dir(page), file)
				}
				if _, err := os.Stat(to); err != nil {
					t.Errorf("%s:%d: %s: %v", page, i+1, m[1], err)
				} else if anchor != "" && !anchors(t, to)[anchor] {
					t.Errorf("%s:%d: %s: no such heading in %s", page, i+1, m[1], to)
				}
			}
		}
	}
	if checked < 150 {
		t.Errorf("%d links found; is the expression right?", checked)
	}
}

// TestEveryPageIsLinked: a stranger finds each page, and each picture is shown, from the readmes.
func TestEveryPageIsLinked(t *testing.T) {
	for _, readme := range []string{"../README.md", "../README.zh-CN.md"} {
		data, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		pages, err := filepath.Glob("*.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			if !strings.Contains(string(data), "(docs/"+page) {
				t.Errorf("%s does not lead to docs/%s", readme, page)
			}
		}
	}
}

// TestBothReadmesSayTheSame: the same commands, in the same order, in both languages.
func TestBothReadmesSayTheSame(t *testing.T) {
	of := func(page string) (found []string) {
		text, _ := lines(t, page)
		for _, l := range text {
			if !strings.HasPrefix(l, "    ") {
				continue
			}
			for _, m := range command.FindAllStringSubmatch(strings.TrimSpace(l), -1) {
				found = append(found, m[1])
			}
		}
		return found
	}
	english, chinese := of("../README.md"), of("../README.zh-CN.md")
	if len(english) < 12 || !slices.Equal(english, chinese) {
		t.Errorf("README.md has %q, README.zh-CN.md %q", english, chinese)
	}
}
