package lint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/plan"
)

// Show the plan of a file: as "text" (or empty) a table of its jobs and the final form
// of each, or of those that only names; as "json" or "yaml" whole. A file with problems
// gives what Lint gives, and false.
func Show(file string, content []byte, in gitlab.Context, format string, only []string) (string, bool, error) {
	p, problems := gitlab.Compile(file, content, in)
	if len(problems) > 0 {
		if format == "yaml" {
			format = "text"
		}
		out, err := report(file, nil, problems, nil, format)
		return out, false, err
	}
	if err := choose(p, only); err != nil {
		return "", false, err
	}
	switch format {
	case "", "text":
		forms, err := forms(p, only)
		return Table(p) + forms, true, err
	case "json", "yaml":
		out, err := p.Encode()
		if err == nil && format == "yaml" {
			out, err = yaml.JSONToYAML(out)
		}
		return string(out), err == nil, err
	}
	return "", false, fmt.Errorf("output format %q is not known; use text, json or yaml", format)
}

// choose says which of the names are no jobs.
func choose(p *plan.Plan, only []string) error {
	for _, name := range only {
		if p.Job(name) == nil {
			var known []string
			for i := range p.Jobs {
				known = append(known, p.Jobs[i].Name)
			}
			return fmt.Errorf("job %q is not in this pipeline; it has: %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// forms of the jobs as they will run: everything that the plan has of them, without
// what is as usual and the variables that every job gets.
func forms(p *plan.Plan, only []string) (string, error) {
	var b strings.Builder
	for _, j := range p.Jobs {
		if len(only) > 0 && !slices.Contains(only, j.Name) {
			continue
		}
		j.Predefined = nil
		data, err := json.Marshal(j)
		if err != nil {
			return "", err
		}
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			return "", err
		}
		delete(fields, "name")
		for key, value := range fields {
			if value == "" {
				delete(fields, key)
			}
		}
		out, err := yaml.Marshal(map[string]any{j.Name: fields})
		if err != nil {
			return "", err
		}
		b.WriteString("\n" + string(out))
	}
	return b.String(), nil
}

// Table of the jobs of a plan, with the edges that matter.
func Table(p *plan.Plan) string {
	if p.Empty != "" {
		return "no jobs: " + p.Empty + "\n"
	}
	edges := p.Edges()
	rows := [][]string{{"STAGE", "JOB", "NEEDS", "IMAGE", "WHEN"}}
	for i := range p.Jobs {
		j := &p.Jobs[i]
		when := string(j.When)
		if j.AllowFailure || len(j.AllowExitCodes) > 0 {
			when += ", may fail"
		}
		rows = append(rows, []string{j.Stage, j.Name, dash(strings.Join(edges[j.Name], ", ")), dash(j.Image.Name), when})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+3))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
