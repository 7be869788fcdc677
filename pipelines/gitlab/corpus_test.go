package gitlab

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway.dev/pipelines/plan"
)

// history is a tree that differs from others in some files.
type history struct {
	tree
	since map[string][]string // by what it is compared with
}

func (h history) Changed(from string) ([]string, error) {
	paths, ok := h.since[from]
	if !ok {
		return nil, fmt.Errorf("%q: %w", from, fs.ErrNotExist)
	}
	return paths, nil
}

const before = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// monorepo is what the corpus is compiled for: a push that changed the shop, a
// schema and a page of the handbook.
var monorepo = history{
	tree: tree{files: map[string]string{
		"go.mod": "module shop", "go.sum": "sum", "package-lock.json": "{}", "Dockerfile": "FROM scratch",
		"services/shop/main.go": "package main", "services/shop/Dockerfile": "FROM scratch", "services/cart/main.go": "package main",
		"web/package.json": "{}", "web/src/app.ts": "", "db/schema.sql": "", "docs/handbook/start.md": "", ".hidden/config.yml": "",
		"deploy/production/app.yaml": "", "Cargo.lock": "x", "requirements.txt": "flask", "pom.xml": "<project/>",
	}},
	since: map[string][]string{
		before:            {"services/shop/main.go", "db/schema.sql", "docs/handbook/start.md"},
		"refs/heads/main": {"services/shop/main.go"},
		"main":            {"services/shop/main.go"},
		"v1.0.0":          {"services/cart/main.go", "web/src/app.ts"},
	},
}

// corpusContext by the word behind the @ in the name of an expectation.
func corpusContext(t *testing.T, kind string) Context {
	c := context("")
	c.Files, c.Before = monorepo, before
	c.Version = "v0.7.2"
	switch kind {
	case "main":
	case "branch":
		c.Branch, c.Ref = "feature/Login_1", "refs/heads/feature/Login_1"
	case "new":
		c.Branch, c.Ref, c.Before = "release-2.0", "refs/heads/release-2.0", ""
	case "tag":
		c.Branch, c.Tag, c.Ref, c.Before = "", "v1.2.3", "refs/tags/v1.2.3", ""
	case "merge":
		c.Branch, c.Ref, c.Source, c.MergeRequest = "feature/Login_1", "refs/heads/feature/Login_1", mergeRequest, 12
	case "schedule":
		c.Source, c.Schedule = "schedule", "nightly"
	case "web":
		c.Source = "web"
		c.Variables = []plan.Variable{{Name: "TARGET", Value: "staging", Raw: true}}
	case "trigger", "pipeline", "api":
		c.Source = kind
	default:
		t.Fatalf("no context %q", kind)
	}
	return c
}

// TestCorpus compiles testdata/corpus/NAME.yml as each NAME@CONTEXT.want beside it
// says, and compares the graph; or the problems.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.yml")
	if err != nil || len(files) == 0 {
		t.Errorf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		wants, err := filepath.Glob(strings.TrimSuffix(path, ".yml") + "@*.want")
		if err != nil || len(wants) == 0 {
			t.Errorf("%s: no expectation, %v", path, err)
		}
		for _, want := range wants {
			name := strings.TrimSuffix(filepath.Base(want), ".want")
			t.Run(name, func(t *testing.T) {
				_, kind, _ := strings.Cut(name, "@")
				p, problems := Compile(File, content, corpusContext(t, kind))
				got := ""
				for _, x := range problems {
					got += fmt.Sprintf("%d:%d %s: %s | %s\n", x.Line, x.Column, x.Rule, x.Message, x.Hint)
				}
				if p != nil {
					if err := p.Check(); err != nil {
						t.Fatal(err)
					}
					got = graph(t, p)
				}
				if *update {
					if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				expected, err := os.ReadFile(want)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(expected) {
					t.Errorf("got\n%s\nwant\n%s", got, expected)
				}
			})
		}
	}
}

// graph of a plan for people: a line a job with what it waits for (`<-` chosen needs,
// `<=` stages; a need without artifacts in parentheses), and below it what is not usual.
func graph(t *testing.T, p *plan.Plan) string {
	var b strings.Builder
	if p.Empty != "" {
		fmt.Fprintf(&b, "empty: %s\n", p.Empty)
	}
	if p.Name != "" {
		fmt.Fprintf(&b, "name: %s\n", p.Name)
	}
	if p.AutoCancel != (plan.AutoCancel{}) {
		fmt.Fprintf(&b, "auto_cancel: %+v\n", p.AutoCancel)
	}
	if len(p.Variables) > 0 {
		fmt.Fprintf(&b, "variables: %s\n", variableText(p.Variables))
	}
	for i := range p.Jobs {
		j := p.Jobs[i]
		arrow := " <- "
		if j.ByStage {
			arrow = " <= "
		}
		needs := ""
		for _, n := range j.Needs {
			name := n.Job
			if !n.Artifacts {
				name = "(" + name + ")"
			}
			needs += arrow + name
			arrow = ", "
		}
		if len(j.Needs) == 0 && !j.ByStage {
			needs = " <- nothing"
		}
		fmt.Fprintf(&b, "%s [%s] %s%s\n", j.Name, j.Stage, j.When, needs)
		if len(j.Variables) > 0 {
			fmt.Fprintf(&b, "    variables: %s\n", variableText(j.Variables))
		}
		if j.Checkout.Depth == defaultDepth {
			j.Checkout.Depth = 0
		}
		j.Name, j.ID, j.Stage, j.When, j.Needs, j.ByStage, j.Variables, j.Predefined = "", "", "", "", nil, false, nil, nil
		j.Script.Before, j.Script.Main, j.Script.After = nil, nil, nil
		rest(t, &b, j)
	}
	return b.String()
}

func variableText(vars []plan.Variable) string {
	var out []string
	for _, v := range vars {
		text := v.Name + "=" + v.Value
		if v.Raw {
			text += " (raw)"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func rest(t *testing.T, b *strings.Builder, j plan.Job) {
	data, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"name", "id", "when", "group"} {
		delete(fields, key)
	}
	keys := []string{}
	for k := range fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Fprintf(b, "    %s: %s\n", k, fields[k])
	}
}
