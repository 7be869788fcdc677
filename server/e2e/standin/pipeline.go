package main

import (
	"fmt"
	"strings"
	"text/scanner"
)

// plugin is one of a pipeline: elasticsearch { hosts => [...] }, of a section (input, filter,
// output), with its settings: texts, numbers, truths, lists and hashes of these.
type plugin struct {
	section, name string
	settings      map[string]any
}

// grammar reads a pipeline as Logstash's documentation has its language: sections of
// plugins of settings. Conditions are not of what Slipway writes, and are not read.
type grammar struct {
	s   scanner.Scanner
	tok rune
	err error
}

func pipeline(conf string) ([]plugin, error) {
	g := &grammar{}
	g.s.Init(strings.NewReader(withoutComments(conf)))
	g.s.Mode = scanner.ScanIdents | scanner.ScanInts | scanner.ScanStrings
	g.s.Error = func(_ *scanner.Scanner, msg string) { g.fail("%s", msg) }
	g.next()
	var all []plugin
	for g.err == nil && g.tok != scanner.EOF {
		section := g.word("input, filter or output")
		if section != "input" && section != "filter" && section != "output" {
			g.fail("%q is no section", section)
		}
		g.want('{')
		for g.err == nil && g.tok != '}' {
			p := plugin{section: section, name: g.word("a plugin"), settings: map[string]any{}}
			g.want('{')
			for g.err == nil && g.tok != '}' {
				name := g.word("a setting")
				if _, twice := p.settings[name]; twice {
					g.fail("%s is there twice", name)
				}
				g.arrow()
				p.settings[name] = g.value()
			}
			g.want('}')
			all = append(all, p)
		}
		g.want('}')
	}
	return all, g.err
}

// withoutComments leaves out what follows a # outside of quotes.
func withoutComments(conf string) string {
	var b strings.Builder
	for line := range strings.Lines(conf) {
		if i := strings.IndexByte(line, '#'); i >= 0 && strings.Count(line[:i], `"`)%2 == 0 {
			line = line[:i] + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

func (g *grammar) next() { g.tok = g.s.Scan() }

func (g *grammar) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("%s: %s", g.s.Position, fmt.Sprintf(format, args...))
	}
}

func (g *grammar) want(tok rune) {
	if g.tok != tok {
		g.fail("want %q, found %q", tok, g.s.TokenText())
	}
	g.next()
}

func (g *grammar) word(what string) string {
	text := g.s.TokenText()
	if g.tok != scanner.Ident {
		g.fail("want %s, found %q", what, text)
	}
	g.next()
	return text
}

func (g *grammar) arrow() {
	g.want('=')
	g.want('>')
}

func (g *grammar) value() any {
	text := g.s.TokenText()
	switch g.tok {
	case scanner.String:
		g.next()
		return text[1 : len(text)-1] // a backslash is one: config.support_escapes is off
	case scanner.Int, scanner.Ident:
		g.next()
		return text
	case '[':
		g.next()
		list := []string{}
		for g.err == nil && g.tok != ']' {
			if len(list) > 0 {
				g.want(',')
			}
			list = append(list, fmt.Sprint(g.value()))
		}
		g.want(']')
		return list
	case '{':
		g.next()
		hash := map[string]string{}
		for g.err == nil && g.tok != '}' {
			key := fmt.Sprint(g.value())
			g.arrow()
			hash[key] = fmt.Sprint(g.value())
		}
		g.want('}')
		return hash
	}
	g.fail("want a value, found %q", text)
	return nil
}
