// Package lint owns what `slipway pipeline lint` and `slipway pipeline show` print. It
// is pure: a file's bytes in, text or JSON out. It reads no file and asks no server.
// Start at Lint and Show.
package lint

import (
	"encoding/json"
	"fmt"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/plan"
)

// Context for a file that is looked at outside a run: a push to the default branch.
func Context(project, branch, commit string) gitlab.Context {
	if branch == "" {
		branch = "main"
	}
	if project == "" {
		project = "project"
	}
	if commit == "" {
		commit = strings.Repeat("0", 40)
	}
	return gitlab.Context{
		Ref: "refs/heads/" + branch, Branch: branch, DefaultBranch: branch, Commit: commit,
		ProjectName: project, Namespace: "default", RunID: project + "-0", ServerURL: "https://127.0.0.1:8443",
	}
}

// Lint compiles the file and says what is wrong with it. Format is "text" (or empty)
// or "json". It returns the text to print and whether the file is right.
func Lint(file string, content []byte, in gitlab.Context, format string) (string, bool, error) {
	p, problems := gitlab.Compile(file, content, in)
	switch format {
	case "", "text":
		return text(file, p, problems), len(problems) == 0, nil
	case "json":
		if problems == nil {
			problems = []v1alpha1.Problem{}
		}
		out, err := json.MarshalIndent(map[string]any{"file": file, "valid": len(problems) == 0, "problems": problems}, "", "  ")
		if err != nil {
			return "", false, fmt.Errorf("lint %s: %w", file, err)
		}
		return string(out) + "\n", len(problems) == 0, nil
	}
	return "", false, fmt.Errorf("output format %q is not known; use text or json", format)
}

func text(file string, p *plan.Plan, problems []v1alpha1.Problem) string {
	var b strings.Builder
	for _, x := range problems {
		b.WriteString(Problem(x))
	}
	switch n := len(problems); {
	case n == 1:
		fmt.Fprintf(&b, "%s: 1 problem\n", file)
	case n > 1:
		fmt.Fprintf(&b, "%s: %d problems\n", file, n)
	case p.Empty != "":
		fmt.Fprintf(&b, "%s: valid, without a job here: %s\n", file, p.Empty)
	default:
		fmt.Fprintf(&b, "%s: valid, %s\n", file, jobs(len(p.Jobs)))
	}
	return b.String()
}

func jobs(n int) string {
	if n == 1 {
		return "1 job"
	}
	return fmt.Sprintf("%d jobs", n)
}

// Problem as compilers print one, the hint on a line of its own.
func Problem(x v1alpha1.Problem) string {
	var b strings.Builder
	b.WriteString(x.File)
	if x.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", x.Line, x.Column)
	}
	fmt.Fprintf(&b, ": %s [%s]\n", x.Message, x.Rule)
	if x.Hint != "" {
		fmt.Fprintf(&b, "    %s\n", x.Hint)
	}
	return b.String()
}

// Show the plan of a file, as a table of its jobs or, with format "json", whole. A
// file with problems gives what Lint gives, and false.
func Show(file string, content []byte, in gitlab.Context, format string) (string, bool, error) {
	p, problems := gitlab.Compile(file, content, in)
	if len(problems) > 0 {
		return Lint(file, content, in, format)
	}
	switch format {
	case "", "text":
		return Table(p), true, nil
	case "json":
		out, err := p.Encode()
		return string(out), err == nil, err
	}
	return "", false, fmt.Errorf("output format %q is not known; use text or json", format)
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
