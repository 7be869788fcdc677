// Package lint owns what `slipway pipeline lint` and `slipway pipeline show` print. It
// is pure: a file's bytes and what they are compiled for in, text, JSON or SARIF out.
// It reads no file and asks no server; a work tree is read by the package checkout.
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

// Lint compiles the file, and the files of the child pipelines that its jobs start, and
// says what is wrong with them. Format is "text" (or empty), "json" or "sarif". It returns
// the text to print and whether the files are right.
func Lint(file string, content []byte, in gitlab.Context, format string) (string, bool, error) {
	p, problems := gitlab.Compile(file, content, in)
	f := family{seen: map[string]bool{}, problems: problems}
	if p != nil {
		f.look(p, in, 0)
	}
	out, err := report(file, p, f.problems, f.unseen, format)
	return out, len(f.problems) == 0, err
}

func report(file string, p *plan.Plan, problems []v1alpha1.Problem, unseen []string, format string) (string, error) {
	switch format {
	case "", "text":
		return text(file, p, problems, unseen), nil
	case "json":
		if problems == nil {
			problems = []v1alpha1.Problem{}
		}
		fields := map[string]any{"file": file, "valid": len(problems) == 0, "problems": problems}
		if len(unseen) > 0 {
			fields["notLookedAt"] = unseen
		}
		out, err := json.MarshalIndent(fields, "", "  ")
		if err != nil {
			return "", fmt.Errorf("lint %s: %w", file, err)
		}
		return string(out) + "\n", nil
	case "sarif":
		return sarifText(problems)
	}
	return "", fmt.Errorf("output format %q is not known; use text, json or sarif", format)
}

func text(file string, p *plan.Plan, problems []v1alpha1.Problem, unseen []string) string {
	var b strings.Builder
	for _, x := range problems {
		b.WriteString(Problem(x))
	}
	for _, what := range unseen {
		fmt.Fprintf(&b, "not looked at: %s\n", what)
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
