package helm

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"slipway.dev/gitops/render"
)

// place in a template, as "shop/templates/web.yaml:12:5".
var place = regexp.MustCompile(`([^\s():"<>]+/[^\s():"<>]+):(\d+)(?::(\d+))?`)

// template names a template by where a person finds it.
func (l loader) template(c *chart.Chart, name string) string {
	return path.Join(l.place, strings.TrimPrefix(name, c.Name()+"/"))
}

// explain finds the template and the line in an error of the engine: the innermost
// place, which is where it happened, and in the message how it came to that.
func (l loader) explain(c *chart.Chart, err error) error {
	// The engine writes one place a line, or, when it does not understand its own
	// error, the chain that text/template made.
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), ": template: ", ":\n")
	lines := strings.Split(strings.TrimPrefix(text, "template: "), "\n")
	var file string
	var line, column int
	var via []string
	message := ""
	for _, candidate := range lines {
		head := strings.TrimSpace(candidate)
		for _, prefix := range []string{"parse error at (", "execution error at (", "parse error in ("} {
			head = strings.TrimPrefix(head, prefix)
		}
		m := place.FindStringSubmatch(head)
		if m == nil || !strings.HasPrefix(head, m[0]) {
			message = candidate
			continue
		}
		if at := file + ":" + strconv.Itoa(line); file != "" && !slices.Contains(via, at) {
			via = append(via, at)
		}
		file = l.template(c, m[1])
		line, _ = strconv.Atoi(m[2])
		column = columnOf(m[1], line, m[3])
		message = strings.TrimLeft(strings.TrimPrefix(head, m[0]), "): ")
	}
	if _, after, ok := strings.Cut(message, ">: "); ok && strings.HasPrefix(message, "executing ") {
		message = after
	}
	via = slices.DeleteFunc(via, func(at string) bool { return at == file+":"+strconv.Itoa(line) })
	if len(via) > 0 {
		message += " (by way of " + strings.Join(via[:min(len(via), 5)], ", ") + ")"
	}
	return render.Place{File: file, Line: line, Column: column}.Refuse("%s", oneLine(message))
}

// columnOf is where a template has a place, counted from 1, or 0 if that is not known:
// its first line has our call before it.
func columnOf(name string, line int, text string) int {
	column, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	if line == 1 && !strings.HasPrefix(path.Base(name), "_") {
		column -= len(call(name))
	}
	return max(column, 0) + 1
}

// rendered marks an error in what a template rendered to: its line is not the template's.
// Of that line the key is shown, which tells a person where it is from; a value could be
// anything.
func rendered(text string, err error) error {
	var e *render.Error
	if !errors.As(err, &e) || e.Line == 0 {
		return err
	}
	near := ""
	if lines := strings.Split(text, "\n"); e.Line <= len(lines) {
		if m := keyed.FindStringSubmatch(lines[e.Line-1]); m != nil {
			near = " (" + m[1] + ")"
		}
	}
	return render.Refuse(e.File, 0, "what it renders to is no manifest: line %d of that%s: %s", e.Line, near, e.Message)
}

// keyed is a line with a key.
var keyed = regexp.MustCompile(`^\s*(?:- +)?([A-Za-z][A-Za-z0-9._/-]{0,60}:)`)
