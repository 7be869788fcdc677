package elastic

import "strings"

// expr is a filter of LogsQL, kept as a tree so that it is written with as few
// parentheses as can be: conditions on the time must stay at the top, where they choose
// the days that are read.
type expr struct {
	op   byte // '&', '|', '!', or 0 for a leaf
	kids []expr
	leaf string
}

func leaf(s string) expr { return expr{leaf: s} }

var (
	everything = leaf("*")
	nothing    = expr{op: '!', kids: []expr{everything}}
)

func (e expr) all() bool  { return e.op == 0 && e.leaf == "*" }
func (e expr) none() bool { return e.op == '!' && e.kids[0].all() }

func and(kids ...expr) expr {
	var flat []expr
	for _, k := range kids {
		switch {
		case k.none():
			return nothing
		case k.all():
		case k.op == '&':
			flat = append(flat, k.kids...)
		default:
			flat = append(flat, k)
		}
	}
	switch len(flat) {
	case 0:
		return everything
	case 1:
		return flat[0]
	}
	return expr{op: '&', kids: flat}
}

func or(kids ...expr) expr {
	var flat []expr
	for _, k := range kids {
		switch {
		case k.all():
			return everything
		case k.none():
		case k.op == '|':
			flat = append(flat, k.kids...)
		default:
			flat = append(flat, k)
		}
	}
	switch len(flat) {
	case 0:
		return nothing
	case 1:
		return flat[0]
	}
	return expr{op: '|', kids: flat}
}

func not(e expr) expr {
	if e.op == '!' {
		return e.kids[0]
	}
	return expr{op: '!', kids: []expr{e}}
}

// String is LogsQL.
func (e expr) String() string {
	switch e.op {
	case '&', '|':
		sep := " and "
		if e.op == '|' {
			sep = " or "
		}
		parts := make([]string, len(e.kids))
		for i, k := range e.kids {
			parts[i] = k.String()
			if k.op == '&' || k.op == '|' {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		return strings.Join(parts, sep)
	case '!':
		return "!(" + e.kids[0].String() + ")"
	}
	return e.leaf
}
