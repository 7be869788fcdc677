package logs

import (
	"regexp"
	"strings"
)

const (
	// maxTrace is how many lines, maxTraceGap how many nanoseconds apart, make one record.
	maxTrace    = 500
	maxTraceGap = int64(1e9)
)

var (
	traceLine  = regexp.MustCompile(`^\s+(at |\.\.\. \d+ (more|common)|File "|Suppressed: |Caused by: )|^Caused by: |^\s*\^+\s*$`)
	goLine     = regexp.MustCompile(`^\t|^goroutine \d+ \[|^created by |^$|^[\w./*()\[\]-]+\(.*\)$|^\[signal |^exit status`)
	pythonHead = "Traceback (most recent call last):"
)

// joinTraces makes one row of a stack trace, which Java, Node, .NET, Python and Go print
// as many lines: the lines of one stream that follow one another and look like one.
func joinTraces(rows []Row) []Row {
	out := rows[:0]
	last := map[string]*trace{} // by stream
	for _, r := range rows {
		stream, text := r.Get("stream"), r.Get("_msg")
		t := last[stream]
		if t != nil && t.lines < maxTrace && r.Time-t.time <= maxTraceGap && t.continues(text) && len(*t.text)+len(text) < maxLine {
			*t.text += "\n" + text
			t.lines, t.time = t.lines+1, r.Time
			continue
		}
		out = append(out, r)
		kept := out[len(out)-1].Fields
		last[stream] = begin(&kept[len(kept)-1].Value, text, r.Time)
	}
	return out
}

// trace is a row that may go on.
type trace struct {
	text   *string
	lines  int
	time   int64
	python bool
	golang bool
}

func begin(text *string, first string, at int64) *trace {
	return &trace{
		text: text, lines: 1, time: at, python: strings.HasSuffix(first, pythonHead),
		golang: strings.HasPrefix(first, "panic: ") || strings.HasPrefix(first, "fatal error: "),
	}
}

func (t *trace) continues(text string) bool {
	switch {
	case t.python:
		// The line that names the exception ends it.
		t.python = strings.HasPrefix(text, " ")
		return true
	case t.golang:
		return goLine.MatchString(strings.TrimPrefix(text, " ")) || traceLine.MatchString(text)
	case strings.HasSuffix(text, pythonHead) && strings.Contains(*t.text, pythonHead):
		t.python = true
		return true
	}
	return traceLine.MatchString(text)
}
