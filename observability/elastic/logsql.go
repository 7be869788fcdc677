package elastic

import (
	"regexp"
	"strconv"
	"strings"
)

// FromLogsQL turns a filter of LogsQL into a query string, for an Elasticsearch that lines
// are read from: words, "phrases", prefix*, field:value, field:="value", field:*, and, or,
// not and parentheses. What else LogsQL has is refused, as a query string cannot say it.
func FromLogsQL(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", nil
	}
	p := &logsqlParser{rest: s}
	out, err := p.or(0)
	if err == nil && p.skip() != "" {
		err = p.cannot()
	}
	return out, err
}

type logsqlParser struct{ rest string }

func (p *logsqlParser) skip() string {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	return p.rest
}

func (p *logsqlParser) cannot() error {
	return unsupported("LogsQL as a query string, at [%.60s]; known: words, \"phrases\", field:value, field:=\"value\", field:*, and, or, not, ()", p.rest)
}

var (
	logsqlWord   = regexp.MustCompile(`^[\pL\pN_.@/-]+`)
	logsqlQuoted = regexp.MustCompile(`^"(?:[^"\\\n]|\\.)*"`)
)

// keyword takes a word of LogsQL's own, if it is next.
func (p *logsqlParser) keyword(word string) bool {
	if got := logsqlWord.FindString(p.skip()); strings.EqualFold(got, word) && !strings.HasPrefix(p.rest[len(got):], ":") {
		p.rest = p.rest[len(got):]
		return true
	}
	return false
}

func (p *logsqlParser) or(depth int) (string, error) {
	if depth > maxDepth {
		return "", illegal("LogsQL is nested deeper than %d levels", maxDepth)
	}
	var kids []string
	for {
		kid, err := p.and(depth)
		if err != nil {
			return "", err
		}
		kids = append(kids, kid)
		if !p.keyword("or") {
			break
		}
	}
	if len(kids) == 1 {
		return kids[0], nil
	}
	return "(" + strings.Join(kids, " OR ") + ")", nil
}

func (p *logsqlParser) and(depth int) (string, error) {
	var kids []string
	for {
		kid, err := p.unary(depth)
		if err != nil {
			return "", err
		}
		kids = append(kids, kid)
		p.keyword("and")
		if rest := p.skip(); rest == "" || rest[0] == ')' || p.isOr() {
			break
		}
	}
	if len(kids) == 1 {
		return kids[0], nil
	}
	return "(+" + strings.Join(kids, " +") + ")", nil
}

func (p *logsqlParser) isOr() bool {
	before := p.rest
	is := p.keyword("or")
	p.rest = before
	return is
}

func (p *logsqlParser) unary(depth int) (string, error) {
	rest := p.skip()
	switch {
	case rest == "":
		return "", illegal("LogsQL ends where a filter should be")
	case rest[0] == '!' || rest[0] == '-':
		p.rest = rest[1:]
		return p.not(depth)
	case p.keyword("not"):
		return p.not(depth)
	case rest[0] == '(':
		p.rest = rest[1:]
		out, err := p.or(depth + 1)
		if err == nil && !strings.HasPrefix(p.skip(), ")") {
			err = p.cannot()
		}
		if err != nil {
			return "", err
		}
		p.rest = p.rest[1:]
		return "(" + out + ")", nil
	}
	return p.term()
}

func (p *logsqlParser) not(depth int) (string, error) {
	if depth > maxDepth {
		return "", illegal("LogsQL is nested deeper than %d levels", maxDepth)
	}
	out, err := p.unary(depth + 1)
	return "(+*:* -" + out + ")", err
}

// token takes a word or a quoted text.
func (p *logsqlParser) token() (s string, ok bool) {
	if q := logsqlQuoted.FindString(p.rest); q != "" {
		s, err := strconv.Unquote(q)
		p.rest = p.rest[len(q):]
		return s, err == nil
	}
	s = logsqlWord.FindString(p.rest)
	p.rest = p.rest[len(s):]
	return s, s != ""
}

func (p *logsqlParser) term() (string, error) {
	if all, ok := strings.CutPrefix(p.rest, "*"); ok && p.ends(all) {
		p.rest = all
		return "*:*", nil
	}
	before := p.rest
	fail := func() (string, error) {
		p.rest = before
		return "", p.cannot()
	}
	v, ok := p.token()
	if !ok {
		return fail()
	}
	field := messageName
	if after, is := strings.CutPrefix(p.rest, ":"); is {
		if field, p.rest = shown(v), after; field == timeName || strings.HasPrefix(field, "_") || field == "" {
			return fail()
		}
		if all, is := strings.CutPrefix(p.rest, "*"); is && p.ends(all) {
			p.rest = all
			return "_exists_:" + escaped(field), nil
		}
		p.rest = strings.TrimPrefix(p.rest, "=")
		if v, ok = p.token(); !ok {
			return fail()
		}
	}
	prefix := false
	if after, is := strings.CutPrefix(p.rest, "*"); is {
		prefix, p.rest = true, after
	}
	switch {
	case !p.ends(p.rest) || prefix && v == "":
		return fail()
	case prefix:
		return escaped(field) + ":" + escaped(v) + "*", nil
	}
	return escaped(field) + `:"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`, nil
}

// ends says whether a filter may end before s.
func (p *logsqlParser) ends(s string) bool {
	return s == "" || strings.ContainsRune(" \t\r\n)", rune(s[0]))
}

// escaped is a text of which nothing means anything to a query string.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		if !(r == '_' || r == '.' || r == '@' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 0x7f) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
