package gitlab

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// FuzzCompile: any bytes give a plan that holds together, or problems; never a panic.
func FuzzCompile(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		p, problems := Compile(File, content, context(""))
		sound(t, p, problems)
	})
}

// FuzzChild: so do those of a file that a job made, beside one of the commit.
func FuzzChild(f *testing.F) {
	for _, s := range []string{"a: {script: echo}", "include: child.yml\na: {script: echo}", "include: ../child.yml", "spec: {inputs: {n: {type: number}}}\n---\na: {script: '$[[ inputs.n ]]'}", "a: [", "stages: 1", "---\n---\n---"} {
		f.Add([]byte(s))
	}
	in := context("")
	in.Source, in.Files = "parent_pipeline", tree{files: map[string]string{"child.yml": "child: {script: echo}\n"}}
	f.Fuzz(func(t *testing.T, content []byte) {
		made := plan.TriggerFile{Path: "made.yml", Job: "make", Inputs: map[string]json.RawMessage{"n": []byte("2")}}
		p, problems := CompileFiles("make:made.yml", []NamedContent{{TriggerFile: plan.TriggerFile{Path: "child.yml"}}, {TriggerFile: made, Content: content}}, in)
		sound(t, p, problems)
	})
}

// sound is what a compiler may answer.
func sound(t *testing.T, p *plan.Plan, problems []v1alpha1.Problem) {
	t.Helper()
	if (p == nil) != (len(problems) > 0) {
		t.Fatalf("plan %v and problems %v", p, problems)
	}
	for _, x := range problems {
		if x.Message == "" || x.Rule == "" || x.Line < 0 || x.Column < 0 {
			t.Errorf("%+v", x)
		}
	}
	if p == nil {
		return
	}
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	if _, err := p.Encode(); err != nil {
		t.Error(err)
	}
}

// FuzzExpression: any text is read or refused, and what is read can be evaluated.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{`$A`, `$A == "a" && ($B || null)`, `$A =~ /^a\/b/i`, `$A !~ $RE`, `(((`, `"`, `/`, `$A =~ /(a+)+$/`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseExpr(s)
		if err != nil {
			return
		}
		first, err1 := n.eval(vars)
		again, err2 := n.eval(vars)
		if first != again || (err1 == nil) != (err2 == nil) {
			t.Errorf("%q is %v, then %v", s, first, again)
		}
	})
}
