package elastic

import (
	"strings"
	"time"
	"unicode"
)

// queryString reads query_string and simple_query_string: Lucene's language of words,
// "phrases", field:value, ranges, wildcards, /expressions/, AND, OR, NOT, + and -.
func (c *compiler) queryString(o *object) (expr, error) {
	o.ignore("boost", "_name", "analyze_wildcard", "allow_leading_wildcard", "lenient", "auto_generate_synonyms_phrase_query",
		"enable_position_increments", "flags", "rewrite", "tie_breaker", "type", "max_determinized_states", "escape", "analyzer", "fuzzy_max_expansions")
	s, fields := o.str("query", ""), o.strings("fields")
	if f := o.str("default_field", ""); f != "" {
		fields = append(fields, f)
	}
	and := strings.EqualFold(o.str("default_operator", "or"), "and")
	zone, err := zoneOf(o.str("time_zone", ""))
	if err := firstOf(o.err, err); err != nil {
		return nothing, err
	}
	return c.lucene(s, fields, and, zone)
}

// maxQueryString is how long a query string may be.
const maxQueryString = 16 << 10

func (c *compiler) lucene(s string, fields []string, and bool, zone *time.Location) (expr, error) {
	if len(s) > maxQueryString {
		return nothing, illegal("query string of %d bytes, at most %d", len(s), maxQueryString)
	}
	p := &luceneParser{c: c, in: []rune(s), and: and, zone: zone}
	if len(fields) == 0 {
		fields = []string{"*"}
	}
	for _, f := range fields {
		p.fields = append(p.fields, c.fieldOf(f))
	}
	if strings.TrimSpace(s) == "" {
		return nothing, nil
	}
	e, err := p.clauses(0)
	if err == nil && p.at < len(p.in) {
		err = p.bad()
	}
	return e, err
}

type luceneParser struct {
	c      *compiler
	in     []rune
	at     int
	fields []field
	and    bool
	zone   *time.Location
}

func (p *luceneParser) bad() error {
	return refuse(400, "query_shard_exception", "Failed to parse query [%.200s]: at position %d", string(p.in), p.at)
}

func (p *luceneParser) space() {
	for p.at < len(p.in) && unicode.IsSpace(p.in[p.at]) {
		p.at++
	}
}

func (p *luceneParser) peek(s string) bool {
	return strings.HasPrefix(string(p.in[p.at:min(len(p.in), p.at+len(s))]), s)
}

func (p *luceneParser) eat(s string) bool {
	if !p.peek(s) {
		return false
	}
	p.at += len([]rune(s))
	return true
}

// word takes an operator that is a word, if one is next.
func (p *luceneParser) word(s string) bool {
	end := p.at + len(s)
	if !p.peek(s) || (end < len(p.in) && !unicode.IsSpace(p.in[end]) && p.in[end] != '(') {
		return false
	}
	p.at = end
	return true
}

// clauses reads what is between parentheses, or all of it. Lucene has no precedence of
// operators: AND makes what is on either side required, NOT and - forbid, and what is
// left is optional, one of it required where nothing else is.
func (p *luceneParser) clauses(depth int) (expr, error) {
	if depth > maxDepth {
		return nothing, illegal("query string: nested deeper than %d levels", maxDepth)
	}
	var kids []expr
	var marks []byte // '+', '-', or ' ' for optional
	for {
		p.space()
		if p.at >= len(p.in) || p.in[p.at] == ')' {
			break
		}
		joined := byte(0)
		if len(kids) > 0 {
			switch {
			case p.word("AND") || p.eat("&&"):
				joined = '&'
			case p.word("OR") || p.eat("||"):
				joined = '|'
			}
			p.space()
		}
		mark := byte(' ')
		switch {
		case p.eat("+"):
			mark = '+'
		case p.eat("-") || p.word("NOT") || p.eat("!"):
			mark = '-'
		}
		p.space()
		e, err := p.clause(depth)
		if err != nil {
			return nothing, err
		}
		if err := p.c.count(1); err != nil {
			return nothing, err
		}
		if joined == '&' || (joined == 0 && p.and) {
			if mark == ' ' {
				mark = '+'
			}
			if last := len(marks) - 1; last >= 0 && marks[last] == ' ' {
				marks[last] = '+'
			}
		}
		kids, marks = append(kids, e), append(marks, mark)
	}
	if len(kids) == 0 {
		return nothing, p.bad()
	}
	var must, may []expr
	required := false
	for i, e := range kids {
		switch marks[i] {
		case '+':
			must, required = append(must, e), true
		case '-':
			must = append(must, not(e))
		default:
			may = append(may, e)
		}
	}
	if !required && len(may) > 0 {
		must = append(must, or(may...))
	}
	return and(must...), nil
}

func (p *luceneParser) clause(depth int) (expr, error) {
	if p.eat("(") {
		e, err := p.clauses(depth + 1)
		if err == nil && !p.eat(")") {
			err = p.bad()
		}
		p.boost()
		return e, err
	}
	start := p.at
	if name, ok := p.name(); ok {
		p.space()
		if name == "_exists_" {
			v, _, _ := p.bare()
			if v == "" {
				return nothing, p.bad()
			}
			return p.c.fieldOf(v).exists(), nil
		}
		outer := p.fields
		p.fields = []field{p.c.fieldOf(name)}
		defer func() { p.fields = outer }()
		if p.peek("(") {
			return p.clause(depth)
		}
		return p.value()
	}
	p.at = start
	return p.value()
}

// name reads field: and leaves the position behind the colon.
func (p *luceneParser) name() (string, bool) {
	s, _, _ := p.bare()
	if s == "" || !p.eat(":") {
		return "", false
	}
	return s, true
}

// bare reads a word up to a space or an operator; wild says that it has a * or ? that no
// backslash takes its meaning, whose backslashes raw still has.
func (p *luceneParser) bare() (s, raw string, wild bool) {
	var b, r strings.Builder
	for p.at < len(p.in) {
		ch := p.in[p.at]
		if ch == '\\' && p.at+1 < len(p.in) {
			b.WriteRune(p.in[p.at+1])
			r.WriteRune(ch)
			r.WriteRune(p.in[p.at+1])
			p.at += 2
			continue
		}
		if unicode.IsSpace(ch) || strings.ContainsRune(`():"[]{}^~`, ch) || (b.Len() == 0 && strings.ContainsRune("/<>=", ch)) {
			break
		}
		wild = wild || ch == '*' || ch == '?'
		b.WriteRune(ch)
		r.WriteRune(ch)
		p.at++
	}
	return b.String(), r.String(), wild
}

func (p *luceneParser) boost() {
	if p.eat("^") {
		for p.at < len(p.in) && (unicode.IsDigit(p.in[p.at]) || p.in[p.at] == '.') {
			p.at++
		}
	}
}

// until reads to the next unescaped end.
func (p *luceneParser) until(end rune, keep bool) (string, bool) {
	var b strings.Builder
	for ; p.at < len(p.in); p.at++ {
		switch ch := p.in[p.at]; {
		case ch == '\\' && p.at+1 < len(p.in):
			p.at++
			if keep && p.in[p.at] != end {
				b.WriteRune('\\')
			}
			b.WriteRune(p.in[p.at])
		case ch == end:
			p.at++
			return b.String(), true
		default:
			b.WriteRune(ch)
		}
	}
	return "", false
}

func (p *luceneParser) value() (expr, error) {
	defer p.boost()
	switch {
	case p.eat(`"`):
		s, ok := p.until('"', false)
		if !ok {
			return nothing, p.bad()
		}
		if p.peek("~") {
			return nothing, unsupported("[query_string] slop of a phrase (~)")
		}
		return p.each(func(f field) (expr, error) { return p.c.phraseOn(f, s, false) })
	case p.eat("/"):
		s, ok := p.until('/', true)
		if !ok {
			return nothing, p.bad()
		}
		re, err := lucene(s)
		if err != nil {
			return nothing, err
		}
		return p.each(func(f field) (expr, error) { return p.c.pattern(f, re, false) })
	case p.eat("["), p.eat("{"):
		return p.interval(p.in[p.at-1] == '[')
	case p.peek(">"), p.peek("<"):
		return p.compare()
	}
	s, raw, wild := p.bare()
	switch {
	case s == "":
		return nothing, p.bad()
	case p.peek("~"):
		return nothing, unsupported("[query_string] fuzzy words (~)")
	case s == "*" && wild:
		return p.each(func(f field) (expr, error) {
			if f.any && f.name == "" {
				return everything, nil
			}
			return f.exists(), nil
		})
	case wild:
		return p.each(func(f field) (expr, error) { return p.c.wild(f, raw, false) })
	}
	return p.each(func(f field) (expr, error) { return p.c.match(f, s, p.and) })
}

func (p *luceneParser) each(f func(field) (expr, error)) (expr, error) {
	var kids []expr
	for _, fl := range p.fields {
		if err := p.c.count(1); err != nil {
			return nothing, err
		}
		e, err := f(fl)
		if err != nil {
			return nothing, err
		}
		kids = append(kids, e)
	}
	return or(kids...), nil
}

// interval reads a TO b] behind its bracket.
func (p *luceneParser) interval(from bool) (expr, error) {
	side := func() string {
		p.space()
		if p.eat(`"`) {
			s, _ := p.until('"', false)
			return s
		}
		start := p.at
		for p.at < len(p.in) && !unicode.IsSpace(p.in[p.at]) && p.in[p.at] != ']' && p.in[p.at] != '}' {
			p.at++
		}
		return string(p.in[start:p.at])
	}
	low := side()
	p.space()
	if !p.word("TO") {
		return nothing, p.bad()
	}
	high := side()
	p.space()
	if low == "" || high == "" || (!p.peek("]") && !p.peek("}")) {
		return nothing, p.bad()
	}
	to := p.eat("]") || !p.eat("}")
	b := bounds{zone: p.zone}
	if low != "*" && from {
		b.gte = low
	} else if low != "*" {
		b.gt = low
	}
	if high != "*" && to {
		b.lte = high
	} else if high != "*" {
		b.lt = high
	}
	return p.each(func(f field) (expr, error) { return p.c.between(f, b) })
}

// compare reads >=5 and its kind.
func (p *luceneParser) compare() (expr, error) {
	less := p.eat("<")
	if !less {
		p.eat(">")
	}
	equal := p.eat("=")
	p.space()
	var s string
	if p.eat(`"`) {
		s, _ = p.until('"', false)
	} else {
		start := p.at
		for p.at < len(p.in) && !unicode.IsSpace(p.in[p.at]) && p.in[p.at] != ')' {
			p.at++
		}
		s = string(p.in[start:p.at])
	}
	if s == "" {
		return nothing, p.bad()
	}
	b := bounds{zone: p.zone}
	switch {
	case less && equal:
		b.lte = s
	case less:
		b.lt = s
	case equal:
		b.gte = s
	default:
		b.gt = s
	}
	return p.each(func(f field) (expr, error) { return p.c.between(f, b) })
}
