package gitlab

import (
	"fmt"
	"regexp"
	"strings"
)

// The expressions of rules:if. Loosest first: ||, &&, then == != =~ !~, all of them
// from left to right, and parentheses.
//
//	$CI_COMMIT_BRANCH == "main" && ($DEPLOY || $CI_COMMIT_TAG =~ /^v\d+/i)

// Limits of one expression.
const (
	maxExpression = 8 << 10
	maxParens     = 50
)

// exprError is a fault in an expression, at a byte of it.
type exprError struct {
	offset int
	msg    string
}

func (e *exprError) Error() string { return fmt.Sprintf("%s (at character %d)", e.msg, e.offset+1) }

// datum is what an expression yields: null, a string, or a pattern.
type datum struct {
	null    bool
	text    string
	pattern *regexp.Regexp
	hidden  bool // the text decides, and is never told
}

func (d datum) true() bool {
	return !d.null && (d.pattern != nil || strings.TrimSpace(d.text) != "")
}

func truth(yes bool) datum {
	if yes {
		return datum{text: "true"}
	}
	return datum{null: true}
}

// lookup of a variable: its value, or null.
type lookup func(name string) datum

// node of a parsed expression.
type node struct {
	op          string // "" for a leaf
	left, right *node
	offset      int
	leaf        datum
	variable    string
}

// eval never touches the file: the same expression serves many jobs.
func (n *node) eval(vars lookup) (datum, error) {
	if n.op == "" {
		if n.variable != "" {
			return vars(n.variable), nil
		}
		return n.leaf, nil
	}
	left, err := n.left.eval(vars)
	if err != nil {
		return datum{}, err
	}
	switch {
	case n.op == "&&" && !left.true(), n.op == "||" && left.true():
		return left, nil
	}
	right, err := n.right.eval(vars)
	if err != nil {
		return datum{}, err
	}
	switch n.op {
	case "&&", "||":
		return right, nil
	case "==", "!=":
		equal, err := n.equal(left, right)
		return truth(equal == (n.op == "==")), err
	}
	matched, err := n.match(left, right)
	return truth(matched == (n.op == "=~")), err
}

func (n *node) equal(a, b datum) (bool, error) {
	if a.null || b.null {
		return a.null == b.null, nil
	}
	if a.pattern != nil || b.pattern != nil {
		return false, &exprError{n.offset, "a pattern is compared with =~ or !~"}
	}
	return a.text == b.text, nil
}

func (n *node) match(text, pattern datum) (bool, error) {
	if pattern.null {
		return false, nil
	}
	if pattern.pattern == nil {
		var err error
		if pattern.pattern, err = compilePattern(pattern.text); err != nil {
			// As GitLab has it: a variable that holds no pattern is looked through for the text.
			return strings.Contains(pattern.text, text.text), nil
		}
	}
	return pattern.pattern.MatchString(text.text), nil
}

// compilePattern reads /…/ and its flags.
func compilePattern(s string) (*regexp.Regexp, error) {
	end := strings.LastIndexByte(s, '/')
	if len(s) < 2 || s[0] != '/' || end == 0 {
		return nil, fmt.Errorf("%q is not a pattern; write it as /.../", clip(s))
	}
	body, flags := s[1:end], s[end+1:]
	if strings.Trim(flags, "ismU") != "" {
		return nil, fmt.Errorf("pattern flags %q: i, s, m and U are known", clip(flags))
	}
	body = strings.ReplaceAll(body, `\/`, "/")
	if flags != "" {
		body = "(?" + flags + ")" + body
	}
	re, err := regexp.Compile(body)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %s", clip(s), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}

// parseExpr reads one expression whole.
func parseExpr(s string) (*node, error) {
	if len(s) > maxExpression {
		return nil, &exprError{0, fmt.Sprintf("the expression is longer than %d bytes", maxExpression)}
	}
	p := exprParser{in: s}
	n, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(s) {
		return nil, p.unexpected("an operator (== != =~ !~ && ||)")
	}
	return n, nil
}

type exprParser struct {
	in     string
	at     int
	parens int
}

var levels = [][]string{{"||"}, {"&&"}, {"==", "!=", "=~", "!~"}}

func (p *exprParser) binary(level int) (*node, error) {
	if level == len(levels) {
		return p.operand()
	}
	left, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for {
		offset := p.at
		op := p.operator(levels[level])
		if op == "" {
			p.at = offset
			return left, nil
		}
		right, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		if right.leaf.pattern != nil && op != "=~" && op != "!~" {
			return nil, &exprError{right.offset, "a pattern stands to the right of =~ or !~ only"}
		}
		if left.leaf.pattern != nil {
			return nil, &exprError{left.offset, "a pattern stands to the right of =~ or !~ only"}
		}
		left = &node{op: op, left: left, right: right, offset: offset}
	}
}

func (p *exprParser) operator(ops []string) string {
	p.space()
	for _, op := range ops {
		if strings.HasPrefix(p.in[p.at:], op) {
			p.at += len(op)
			return op
		}
	}
	return ""
}

func (p *exprParser) space() {
	for p.at < len(p.in) && strings.IndexByte(" \t\r\n", p.in[p.at]) >= 0 {
		p.at++
	}
}

func (p *exprParser) operand() (*node, error) {
	p.space()
	if p.at == len(p.in) {
		return nil, p.unexpected("a variable, string, pattern or null")
	}
	start := p.at
	switch c := p.in[p.at]; c {
	case '(':
		if p.parens++; p.parens > maxParens {
			return nil, &exprError{p.at, fmt.Sprintf("more than %d parentheses", maxParens)}
		}
		p.at++
		n, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		if p.space(); p.at == len(p.in) || p.in[p.at] != ')' {
			return nil, p.unexpected(`")"`)
		}
		p.at++
		return n, nil
	case '$':
		for p.at++; p.at < len(p.in) && wordByte(p.in[p.at]); p.at++ {
		}
		if p.at == start+1 {
			return nil, &exprError{start, "a variable is written as $NAME here"}
		}
		return &node{variable: p.in[start+1 : p.at], offset: start}, nil
	case '"', '\'':
		end := strings.IndexByte(p.in[p.at+1:], c)
		if end < 0 {
			return nil, &exprError{start, "the string is not closed"}
		}
		p.at += end + 2
		return &node{leaf: datum{text: p.in[start+1 : p.at-1]}, offset: start}, nil
	case '/':
		return p.pattern()
	}
	if rest := p.in[p.at:]; strings.HasPrefix(rest, "null") && (len(rest) == 4 || !wordByte(rest[4])) {
		p.at += 4
		return &node{leaf: datum{null: true}, offset: start}, nil
	}
	return nil, p.unexpected("a variable, string, pattern or null")
}

func (p *exprParser) pattern() (*node, error) {
	start := p.at
	for p.at++; p.at < len(p.in) && p.in[p.at] != '/'; p.at++ {
		if p.in[p.at] == '\\' {
			p.at++
		}
	}
	if p.at >= len(p.in) {
		return nil, &exprError{start, "the pattern is not closed by /"}
	}
	for p.at++; p.at < len(p.in) && wordByte(p.in[p.at]); p.at++ {
	}
	re, err := compilePattern(p.in[start:p.at])
	if err != nil {
		return nil, &exprError{start, err.Error()}
	}
	return &node{leaf: datum{pattern: re}, offset: start}, nil
}

func (p *exprParser) unexpected(want string) error {
	if p.at >= len(p.in) {
		return &exprError{len(p.in), "the expression ends where " + want + " is expected"}
	}
	rest := p.in[p.at:]
	if i := strings.IndexAny(rest, " \t\n"); i > 0 {
		rest = rest[:i]
	}
	return &exprError{p.at, fmt.Sprintf("%q where %s is expected", clip(rest), want)}
}

func wordByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
