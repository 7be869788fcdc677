package gitlab

import (
	"fmt"
	"slices"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

// The rules that a file can break; stable identifiers.
const (
	ruleSyntax      = "yaml-syntax"
	ruleLimit       = "limit"
	ruleDuplicate   = "duplicate-key"
	ruleUnknown     = "unknown-key"
	ruleUnsupported = "unsupported"
	ruleType        = "wrong-type"
	ruleValue       = "invalid-value"
	ruleScript      = "script-missing"
	ruleStage       = "undefined-stage"
	ruleNeed        = "unknown-need"
	ruleCycle       = "needs-cycle"
	ruleExtends     = "extends"
	ruleExpression  = "expression"
	ruleEmpty       = "no-jobs"
	ruleInclude     = "include"
	ruleInputs      = "inputs"
	ruleReference   = "reference"
)

// Rules says what each rule of a Problem is about.
var Rules = map[string]string{
	ruleSyntax:      "The file is not YAML.",
	ruleLimit:       "The file is larger, deeper or longer than what is read.",
	ruleDuplicate:   "A name or key is given twice.",
	ruleUnknown:     "A key is not known at its place.",
	ruleUnsupported: "GitLab documents the keyword, and it is not supported here.",
	ruleType:        "A value has another type than the keyword takes.",
	ruleValue:       "A value is none that the keyword takes.",
	ruleScript:      "A job has no script.",
	ruleStage:       "A job is in a stage that is not defined.",
	ruleNeed:        "A job needs a job that is not there.",
	ruleCycle:       "Jobs need one another in a circle.",
	ruleExtends:     "A job extends what is not there, or itself.",
	ruleExpression:  "An expression or a pattern cannot be read.",
	ruleEmpty:       "The file has no job.",
	ruleInclude:     "A file cannot be included.",
	ruleInputs:      "Inputs are declared, given or used wrongly.",
	ruleReference:   "A !reference leads nowhere or to itself.",
}

const notYet = "remove it to run this pipeline"

// maxProblems in one answer; a file with more is told so.
const maxProblems = 100

type problems struct {
	file string
	list []v1alpha1.Problem
	seen map[string]bool
	full bool
}

func (p *problems) add(at place, rule, hint, format string, args ...any) {
	file := p.file
	if at.file != "" {
		file = at.file
	}
	problem := v1alpha1.Problem{
		File: file, Line: at.line, Column: at.column, Rule: rule,
		Message: clip(fmt.Sprintf(format, args...)), Hint: clip(hint),
	}
	// A template is read once for each job that extends it.
	key := fmt.Sprint(at.file, ":", at.line, ":", at.column, rule)
	if at.line == 0 {
		key += problem.Message
	}
	if p.full || p.seen[key] {
		return
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[key] = true
	if len(p.list) == maxProblems {
		p.full = true
		problem = v1alpha1.Problem{File: p.file, Rule: ruleLimit,
			Message: fmt.Sprintf("more than %d problems; the rest is not shown", maxProblems)}
	}
	p.list = append(p.list, problem)
}

func (p *problems) count() int { return len(p.list) }

// sorted by file, that which is compiled first, and place.
func (p *problems) sorted() []v1alpha1.Problem {
	slices.SortStableFunc(p.list, func(a, b v1alpha1.Problem) int {
		if a.File != b.File {
			if a.File == p.file || b.File == p.file {
				return map[bool]int{true: -1, false: 1}[a.File == p.file]
			}
			return strings.Compare(a.File, b.File)
		}
		if (a.Line == 0) != (b.Line == 0) {
			return b.Line - a.Line // without a place: last
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return p.list
}

func clip(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// nearest of the known words, or "" where none is near.
func nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	best, bestDistance := "", 1+max(1, min(3, len(word)/3))
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, change, or swap with the next.
func distance(a, b string) int {
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func didYouMean(word string, known []string) string {
	if n := nearest(word, known); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(known) > 0 && len(known) <= 20 {
		return "known here: " + strings.Join(known, ", ")
	}
	return ""
}
