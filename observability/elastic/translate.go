package elastic

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// compiler turns a query of Elasticsearch's language into a filter of LogsQL.
type compiler struct {
	now time.Time
	// kinds says what a mapping calls a field, or "".
	kinds   func(name string) string
	clauses int
	// patterns are the steps of the query's expressions, words those of its phrases.
	patterns, words int
}

func (c *compiler) count(n int) error {
	if c.clauses += n; c.clauses > maxClauses {
		return refuse(400, "too_many_nested_clauses", "query has more than %d clauses", maxClauses)
	}
	return nil
}

// query reads {"name": {…}}.
func (c *compiler) query(v any) (expr, error) {
	if v == nil {
		return everything, nil
	}
	if err := c.count(1); err != nil {
		return nothing, err
	}
	o := asObject("query", v)
	name, body := o.only()
	if err := o.done(); err != nil {
		return nothing, err
	}
	known, ok := queries[name]
	if !ok {
		return nothing, refuse(400, "parsing_exception", "unknown or unsupported query [%s]", name)
	}
	in := asObject(name, body)
	if in.err != nil {
		return nothing, in.err
	}
	e, err := known(c, in)
	if err != nil {
		return nothing, err
	}
	return e, in.done()
}

var queries map[string]func(*compiler, *object) (expr, error)

func init() {
	queries = map[string]func(*compiler, *object) (expr, error){
		"match_all":  func(_ *compiler, o *object) (expr, error) { o.ignore("boost", "_name"); return everything, nil },
		"match_none": func(_ *compiler, o *object) (expr, error) { o.ignore("boost", "_name"); return nothing, nil },
		"match":      (*compiler).matchQuery, "match_phrase": (*compiler).phraseQuery, "match_phrase_prefix": (*compiler).phraseQuery,
		"multi_match": (*compiler).multiMatch, "term": (*compiler).termQuery, "terms": (*compiler).termsQuery, "range": (*compiler).rangeQuery,
		"bool": (*compiler).boolQuery, "exists": (*compiler).existsQuery, "prefix": (*compiler).prefixQuery,
		"wildcard": (*compiler).wildcardQuery, "regexp": (*compiler).regexpQuery, "ids": (*compiler).idsQuery,
		"query_string": (*compiler).queryString, "simple_query_string": (*compiler).queryString, "constant_score": (*compiler).constantScore,
	}
}

// onField reads {"field": value} or {"field": {key: value, …}}.
func onField(o *object, key string) (name string, in *object) {
	o.ignore("boost", "_name")
	name, v := o.only()
	if m, ok := v.(map[string]any); ok {
		in = asObject(o.where, m)
		in.ignore("boost", "_name")
		return name, in
	}
	return name, asObject(o.where, map[string]any{key: v})
}

func (c *compiler) matchQuery(o *object) (expr, error) {
	name, in := onField(o, "query")
	in.ignore("lenient", "zero_terms_query", "auto_generate_synonyms_phrase_query")
	all := strings.EqualFold(in.str("operator", "or"), "and")
	all = atLeast(in) || all
	e, err := c.match(c.fieldOf(name), in.take("query"), all)
	return e, firstOf(o.err, in.done(), err)
}

// atLeast reads a minimum_should_match that asks for every word; of others only 1 is known.
func atLeast(o *object) bool {
	switch v := o.str("minimum_should_match", "1"); v {
	case "1", "0":
	case "100%":
		return true
	default:
		o.fail(unsupported("[%s] minimum_should_match %s; known: 1, 100%%", o.where, v))
	}
	return false
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) phraseQuery(o *object) (expr, error) {
	name, in := onField(o, "query")
	in.ignore("zero_terms_query", "max_expansions")
	if in.num("slop", 0) != 0 {
		in.fail(unsupported("[%s] slop", o.where))
	}
	e, err := c.phraseOn(c.fieldOf(name), in.take("query"), o.where == "match_phrase_prefix")
	return e, firstOf(o.err, in.done(), err)
}

func (c *compiler) phraseOn(f field, v any, prefix bool) (expr, error) {
	s, ok := text(v)
	switch {
	case !ok:
		return nothing, parsing("[match_phrase] unknown token for a value: %.60v", v)
	case f.kind != kindText && prefix:
		return c.startsWith(f, s, false)
	case f.kind != kindText:
		return c.term(f, v)
	case len(words(s)) == 0:
		return nothing, nil
	}
	return c.phrase(f, s, prefix)
}

func (c *compiler) multiMatch(o *object) (expr, error) {
	o.ignore("boost", "_name", "lenient", "tie_breaker", "zero_terms_query", "max_expansions")
	kind, v, fields := o.str("type", "best_fields"), o.take("query"), o.strings("fields")
	all := strings.EqualFold(o.str("operator", "or"), "and")
	all = atLeast(o) || all
	if len(fields) == 0 {
		fields = []string{"*"}
	}
	var kids []expr
	for _, name := range fields {
		if err := c.count(1); err != nil {
			return nothing, err
		}
		var e expr
		var err error
		switch kind {
		case "best_fields", "most_fields", "cross_fields":
			e, err = c.match(c.fieldOf(name), v, all)
		case "phrase", "phrase_prefix":
			e, err = c.phraseOn(c.fieldOf(name), v, kind == "phrase_prefix")
		default:
			err = unsupported("[multi_match] type %s", kind)
		}
		if err != nil {
			return nothing, err
		}
		kids = append(kids, e)
	}
	return or(kids...), nil
}

func (c *compiler) termQuery(o *object) (expr, error) {
	name, in := onField(o, "value")
	f := c.fieldOf(name)
	v := in.take("value")
	if in.boolean("case_insensitive", false) && f.kind == kindKeyword {
		s, _ := text(v)
		e, err := c.pattern(f, wildcard(escapeWild(s), false), true)
		return e, firstOf(o.err, in.done(), err)
	}
	if err := firstOf(o.err, in.done()); err != nil {
		return nothing, err
	}
	if name == idName {
		return ids([]any{v})
	}
	return c.term(f, v)
}

func escapeWild(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(s)
}

func (c *compiler) termsQuery(o *object) (expr, error) {
	o.ignore("boost", "_name")
	name, v := o.only()
	values, ok := v.([]any)
	if !ok || o.err != nil {
		return nothing, firstOf(o.err, unsupported("[terms] %s: a lookup; want an array", name))
	}
	if len(values) > 65536 {
		return nothing, illegal("[terms] has %d values, at most 65536", len(values))
	}
	if name == idName {
		return ids(values)
	}
	f := c.fieldOf(name)
	if f.kind == kindKeyword && labels[f.name] {
		in := make([]string, len(values))
		for i, v := range values {
			s, ok := text(v)
			if !ok {
				return nothing, parsing("[terms] %s: want strings or numbers", name)
			}
			in[i] = logs.Quote(s)
		}
		return leaf(f.prefix() + "in(" + strings.Join(in, ",") + ")"), nil
	}
	var kids []expr
	for _, v := range values {
		if err := c.count(1); err != nil {
			return nothing, err
		}
		e, err := c.term(f, v)
		if err != nil {
			return nothing, err
		}
		kids = append(kids, e)
	}
	return or(kids...), nil
}

func (c *compiler) rangeQuery(o *object) (expr, error) {
	o.ignore("boost", "_name")
	name, v := o.only()
	in := asObject(o.where, v)
	in.ignore("boost", "relation", "_name")
	var b bounds
	b.gt, b.gte, b.lt, b.lte = in.take("gt"), in.take("gte"), in.take("lt"), in.take("lte")
	// The bounds' older names.
	lower, upper := in.boolean("include_lower", true), in.boolean("include_upper", true)
	if from := in.take("from"); lower && from != nil {
		b.gte = from
	} else if from != nil {
		b.gt = from
	}
	if to := in.take("to"); upper && to != nil {
		b.lte = to
	} else if to != nil {
		b.lt = to
	}
	b.format = in.str("format", "")
	zone, err := zoneOf(in.str("time_zone", ""))
	if err := firstOf(o.err, in.done(), err); err != nil {
		return nothing, err
	}
	b.zone = zone
	return c.between(c.fieldOf(name), b)
}

func (c *compiler) existsQuery(o *object) (expr, error) {
	o.ignore("boost", "_name")
	name := o.str("field", "")
	if name == "" {
		return nothing, parsing("[exists] must be provided with a [field]")
	}
	return c.fieldOf(name).exists(), nil
}

func (c *compiler) prefixQuery(o *object) (expr, error) {
	name, in := onField(o, "value")
	in.ignore("rewrite")
	f := c.fieldOf(name)
	e, err := c.startsWith(f, in.str("value", ""), in.boolean("case_insensitive", false))
	return e, firstOf(o.err, in.done(), err)
}

func (c *compiler) wildcardQuery(o *object) (expr, error) {
	name, in := onField(o, "value")
	in.ignore("rewrite")
	s := in.str("value", in.str("wildcard", ""))
	fold := in.boolean("case_insensitive", false)
	if err := firstOf(o.err, in.done()); err != nil {
		return nothing, err
	}
	return c.wild(c.fieldOf(name), s, fold)
}

func (c *compiler) wild(f field, s string, fold bool) (expr, error) {
	if strings.Trim(s, "*") == "" && s != "" {
		return f.exists(), nil
	}
	return c.pattern(f, wildcard(s, f.kind == kindText), fold)
}

func (c *compiler) regexpQuery(o *object) (expr, error) {
	name, in := onField(o, "value")
	in.ignore("rewrite", "flags", "max_determinized_states")
	re, err := lucene(in.str("value", ""))
	fold := in.boolean("case_insensitive", false)
	if err := firstOf(o.err, in.done(), err); err != nil {
		return nothing, err
	}
	return c.pattern(c.fieldOf(name), re, fold)
}

func (c *compiler) idsQuery(o *object) (expr, error) {
	o.ignore("boost", "_name")
	return ids(o.list("values"))
}

// ids finds documents by the id that they were given, or by chunk and number.
func ids(values []any) (expr, error) {
	var kids []expr
	if len(values) > maxClauses {
		return nothing, illegal("[ids] has %d values, at most %d", len(values), maxClauses)
	}
	for _, v := range values {
		id, ok := v.(string)
		if !ok {
			return nothing, parsing("[ids] want strings")
		}
		kids = append(kids, leaf(logs.Quote(idName)+":="+logs.Quote(id)))
		if chunk, n, ok := strings.Cut(id, idSeparator); ok {
			kids = append(kids, and(leaf(fmt.Sprintf("%s:=%s", logs.ChunkField, logs.Quote(chunk))), leaf(fmt.Sprintf("%s:=%s", logs.NumberField, logs.Quote(n)))))
		}
	}
	return or(kids...), nil
}

func (c *compiler) constantScore(o *object) (expr, error) {
	o.ignore("boost", "_name")
	return c.query(o.take("filter"))
}

func (c *compiler) boolQuery(o *object) (expr, error) {
	o.ignore("boost", "_name", "adjust_pure_negative")
	var parts []expr
	for _, key := range []string{"must", "filter"} {
		for _, v := range o.list(key) {
			e, err := c.query(v)
			if err != nil {
				return nothing, err
			}
			parts = append(parts, e)
		}
	}
	required := len(parts)
	for _, v := range o.list("must_not") {
		e, err := c.query(v)
		if err != nil {
			return nothing, err
		}
		parts = append(parts, not(e))
	}
	var should []expr
	for _, v := range o.list("should") {
		e, err := c.query(v)
		if err != nil {
			return nothing, err
		}
		should = append(should, e)
	}
	optional := required > 0
	want := o.take("minimum_should_match")
	e, err := c.should(should, want, optional)
	return and(append(parts, e)...), firstOf(o.err, err)
}

// should is so many of the clauses: one, unless others are there that must hold.
func (c *compiler) should(kids []expr, want any, optional bool) (expr, error) {
	n := 1
	if optional {
		n = 0
	}
	if want != nil {
		s, _ := text(want)
		percent, isPercent := strings.CutSuffix(s, "%")
		v, ok := number(json.Number(percent))
		if !ok {
			return nothing, unsupported("[bool] minimum_should_match %.60s", s)
		}
		if isPercent {
			v = v * float64(len(kids)) / 100
		}
		if n = int(v); v < 0 {
			n = len(kids) + int(v)
		}
	}
	switch {
	case len(kids) == 0 || n <= 0:
		return everything, nil
	case n > len(kids):
		return nothing, nil
	case n == 1:
		return or(kids...), nil
	case n == len(kids):
		return and(kids...), nil
	}
	// Every choice of n of them.
	var choices []expr
	var choose func(from int, chosen []expr) error
	choose = func(from int, chosen []expr) error {
		if len(chosen) == n {
			choices = append(choices, and(append([]expr(nil), chosen...)...))
			return c.count(n)
		}
		for i := from; i < len(kids); i++ {
			if err := choose(i+1, append(chosen, kids[i])); err != nil {
				return err
			}
		}
		return nil
	}
	err := choose(0, nil)
	return or(choices...), err
}
