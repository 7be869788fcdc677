package elastic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"slipway.dev/observability/logs"
)

// words are the tokens of a text, as the store's index has them.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// exact finds a value as a whole, also as one of an array.
func (f field) exact(v string) expr {
	if v == "" {
		return nothing
	}
	equal := leaf(f.prefix() + "=" + logs.Quote(v))
	if labels[f.name] || f.any {
		return equal
	}
	return or(equal, leaf(f.prefix()+"json_array_contains_any("+logs.Quote(v)+")"))
}

// betweenWords is what may be between two words of a text, and outside says that a word ends.
const (
	betweenWords = `[^\p{L}\p{N}_]+`
	outside      = `[^\p{L}\p{N}_]`
)

const (
	// maxPhrase is how many words all phrases of a query may have together: each is looked for
	// in each text that has those before it.
	maxPhrase = 256
	// indexed are how many words of a phrase are looked for in the index, which is more than
	// tell a text from most others.
	indexed = 16
)

// phrase finds words that follow one another, whatever their case and whatever is between
// them. Words are looked for first, the longest, as the store has an index of them.
func (f field) phrase(s string, prefix bool) expr {
	ws := words(s)
	if len(ws) == 0 {
		return nothing
	}
	var kids []expr
	look := slices.Clone(ws)
	if prefix {
		last := len(ws) - 1
		kids = append(kids, leaf(f.prefix()+"i("+logs.Quote(ws[last])+"*)"))
		look = look[:last]
	}
	slices.SortFunc(look, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	look = slices.Compact(look)
	for _, w := range look[:min(len(look), indexed)] {
		kids = append(kids, leaf(f.prefix()+"i("+logs.Quote(w)+")"))
	}
	if len(ws) > 1 {
		// The letters that are folded are the words' alone: folding a class of all that is no
		// letter takes longer than the search.
		end := "(?:" + outside + "|$)"
		if prefix {
			end = ""
		}
		// Words are letters and digits: nothing in them means anything to an expression.
		kids = append(kids, leaf(f.prefix()+"~"+logs.Quote("(?:^|"+outside+")(?i:"+strings.Join(ws, ")"+betweenWords+"(?i:")+")"+end)))
	}
	return and(kids...)
}

// phrase is a field's, of not too many words.
func (c *compiler) phrase(f field, s string, prefix bool) (expr, error) {
	if n := len(words(s)); n > 1 {
		c.words += n
	}
	if c.words > maxPhrase {
		return nothing, illegal("phrases of the query have more than %d words, with [%.60s]", maxPhrase, s)
	}
	return f.phrase(s, prefix), nil
}

// term finds a value: as a whole in keywords, as a word or phrase in texts.
func (c *compiler) term(f field, v any) (expr, error) {
	s, ok := text(v)
	switch {
	case !ok:
		return nothing, parsing("[term] query does not support a value of this kind: %.60v", v)
	case f.kind == kindDate:
		return c.between(f, bounds{gte: v, lte: v})
	case f.kind == kindText && len(words(s)) > 0:
		return c.phrase(f, s, false)
	}
	return f.exact(s), nil
}

// match finds any, or with all every, word of a text.
func (c *compiler) match(f field, v any, all bool) (expr, error) {
	s, ok := text(v)
	if !ok {
		return nothing, parsing("[match] unknown token for a value: %.60v", v)
	}
	if f.kind != kindText {
		return c.term(f, v)
	}
	if _, isNumber := number(v); isNumber && len(words(s)) > 0 {
		// The point of 7.5 is between no two words.
		return c.phrase(f, s, false)
	}
	var kids []expr
	for _, w := range words(s) {
		if err := c.count(1); err != nil {
			return nothing, err
		}
		kids = append(kids, f.phrase(w, false))
	}
	if all && len(kids) > 0 {
		return and(kids...), nil
	}
	return or(kids...), nil
}

func (f field) exists() expr {
	if f.any {
		return leaf(f.prefix() + "*")
	}
	if f.name == "_time" {
		return everything
	}
	// A document's object is its fields, each under a name of its own.
	return or(leaf(f.prefix()+"*"), leaf(logs.Quote(f.name+".")+"*:*"))
}

// startsWith finds values, or words in a text, by how they begin.
func (c *compiler) startsWith(f field, s string, fold bool) (expr, error) {
	if f.kind == kindText {
		return c.phrase(f, s, true)
	}
	if fold {
		return leaf(f.prefix() + "~" + logs.Quote("(?i)^"+regexp.QuoteMeta(s))), nil
	}
	return leaf(f.prefix() + "=" + logs.Quote(s) + "*"), nil
}

// pattern finds values, or words in a text, that an expression of RE2 covers as a whole.
func (c *compiler) pattern(f field, re string, fold bool) (expr, error) {
	begin, end := "^(?s:", ")$"
	if f.kind == kindText {
		begin, end, fold = `(?:^|\W)(?:`, `)(?:$|\W)`, true
	}
	if fold {
		begin = "(?i)" + begin
	}
	full := begin + re + end
	cost, err := logs.PatternCost(full)
	if err != nil {
		return nothing, illegal("failed to parse expression [%.200s]: %.200s", re, err)
	}
	if c.patterns += cost; c.patterns > logs.MaxPatterns {
		return nothing, illegal("regular expressions and wildcards of the query have more than %d steps, with [%.60s]", logs.MaxPatterns, re)
	}
	return leaf(f.prefix() + "~" + logs.Quote(full)), nil
}

// wildcard turns * and ? into an expression.
func wildcard(s string, word bool) string {
	any, one := ".*", "."
	if word {
		any, one = `\w*`, `\w`
	}
	var b strings.Builder
	escaped := false
	for _, r := range s {
		switch {
		case !escaped && r == '\\':
			escaped = true
			continue
		case !escaped && r == '*':
			b.WriteString(any)
		case !escaped && r == '?':
			b.WriteString(one)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
		escaped = false
	}
	return b.String()
}

// lucene turns a regular expression of Lucene into one of RE2, which has anchors where
// Lucene has letters, and none of its complements, intersections and intervals.
func lucene(s string) (string, error) {
	var b strings.Builder
	class := false
	for i := 0; i < len(s); i++ {
		ch := s[i]
		switch {
		case ch == '\\' && i+1 < len(s):
			i++
			b.WriteByte('\\')
			if c := s[i]; c == '_' || c >= 0x80 || (unicode.IsLetter(rune(c)) && !strings.ContainsRune("dDsSwW", rune(c))) {
				b.Reset()
				return "", unsupported(`[regexp] \%c`, c)
			}
			b.WriteByte(s[i])
		case class:
			class = ch != ']'
			b.WriteByte(ch)
		case ch == '[':
			class = true
			b.WriteByte(ch)
		case ch == '^' || ch == '$':
			b.WriteByte('\\')
			b.WriteByte(ch)
		case ch == '@':
			b.WriteString(".*")
		case ch == '"':
			end := strings.IndexByte(s[i+1:], '"')
			if end < 0 {
				return "", illegal("expected '\"' at the end of [%.200s]", s)
			}
			b.WriteString(regexp.QuoteMeta(s[i+1 : i+1+end]))
			i += end + 1
		case ch == '~' || ch == '&' || ch == '#' || ch == '<':
			return "", unsupported("[regexp] operator %c", ch)
		case ch == '(' && i+1 < len(s) && s[i+1] == '?':
			return "", illegal("[regexp] (? is no operator of Lucene")
		default:
			b.WriteByte(ch)
		}
	}
	return b.String(), nil
}

// bounds are those of a range.
type bounds struct {
	gt, gte, lt, lte any
	format           string
	zone             *time.Location
}

// between finds values in a range: times, numbers where the bounds are numbers, or texts
// in the order of their bytes.
func (c *compiler) between(f field, b bounds) (expr, error) {
	if b.zone == nil {
		b.zone = time.UTC
	}
	var kids []expr
	for _, bound := range []struct {
		v  any
		op string
		up bool
	}{{b.gt, ">", true}, {b.gte, ">=", false}, {b.lt, "<", false}, {b.lte, "<=", true}} {
		if bound.v == nil {
			continue
		}
		s, ok := text(bound.v)
		if !ok {
			return nothing, parsing("[range] bound %.60v: want a string or a number", bound.v)
		}
		_, isNumber := bound.v.(json.Number)
		if f.kind == kindDate || (strings.HasPrefix(s, "now") && !isNumber) {
			t, err := date(bound.v, b.format, c.now, b.zone, bound.up)
			if err != nil {
				return nothing, err
			}
			if y := t.UTC().Year(); y < 1700 || y > 2250 {
				return nothing, illegal("[range] year %d is out of the store's range", y)
			}
			s = t.UTC().Format("2006-01-02T15:04:05.000000000Z")
			if f.name == "_time" {
				kids = append(kids, leaf("_time:"+bound.op+s))
				continue
			}
		}
		kids = append(kids, leaf(fmt.Sprintf("%s%s%s", f.prefix(), bound.op, logs.Quote(s))))
	}
	if len(kids) == 0 {
		return f.exists(), nil
	}
	return and(kids...), nil
}
