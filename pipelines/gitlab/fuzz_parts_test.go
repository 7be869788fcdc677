package gitlab

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"slipway.dev/pipelines/plan"
)

// sane holds a result to what every result is: a plan that holds together, or problems.
func sane(t *testing.T, p *plan.Plan, said int) {
	t.Helper()
	if (p == nil) != (said > 0) {
		t.Fatalf("plan %v and %d problems", p, said)
	}
	if p != nil {
		if err := p.Check(); err != nil {
			t.Error(err)
		}
	}
}

// FuzzGlob: any pattern is read or refused; what is read matches the same each time, and
// literal characters stand for themselves.
func FuzzGlob(f *testing.F) {
	for _, s := range []string{"**/*.go", "a/{b,c}/?", "[a-z]*", "[!a]", "\\*", "{{{", "a{b", "**", "*a*a*a*a*a*a*a*b", "{a,{b,{c,d}}}", "[", "]", "[]]", "\xff"} {
		f.Add(s, "a/b/c.go")
	}
	f.Add(strings.Repeat("*a", 500), strings.Repeat("a", 1000))
	f.Fuzz(func(t *testing.T, pattern, name string) {
		re, err := compileGlob(pattern)
		if err != nil {
			return
		}
		if len(name) > 1<<12 {
			name = name[:1<<12]
		}
		first := re.MatchString(name)
		if first != re.MatchString(name) {
			t.Errorf("%q matches %q only at times", pattern, name)
		}
		if !strings.ContainsAny(pattern, `*?[{\`) && first != (pattern == name) && strings.ToValidUTF8(pattern+name, "") == pattern+name {
			t.Errorf("%q and %q: %v", pattern, name, first)
		}
	})
}

// FuzzInclude: whatever stands in include, of this file and of one that is included,
// and whatever the files are called, ends with a plan or problems, within the tree.
func FuzzInclude(f *testing.F) {
	for _, s := range []string{"a.yml", "[a.yml, /b.yml]", "{local: '*.yml'}", "{local: ../a.yml}", "{local: $NAME}", "{project: x, file: [a.yml]}",
		"{remote: https://example.com/a.yml}", "{component: $CI_SERVER_HOST/x/y@1}", "{local: a.yml, rules: [{exists: ['**']}], inputs: {a: 1}}", "!reference [a]", "&a [*a]"} {
		f.Add(s, "include: a.yml", "ci/a.yml")
	}
	f.Fuzz(func(t *testing.T, include, other, name string) {
		c := context("")
		read := []string{}
		c.Files = watched{tree{files: map[string]string{"a.yml": other, "b.yml": "b: {script: x}", name: other}}, &read}
		c.Includes = world{map[string]tree{"x@main": {files: map[string]string{"a.yml": other}}}, map[string]string{"https://example.com/a.yml": other}}
		p, problems := Compile(File, []byte("include: "+include+"\njob: {script: x}\n"), c)
		sane(t, p, len(problems))
		for _, path := range read {
			if strings.HasPrefix(path, "/") || slices.Contains(strings.Split(path, "/"), "..") || strings.ContainsRune(path, 0) {
				t.Errorf("%q was asked for, which is not in the tree", path)
			}
		}
	})
}

// watched remembers the paths that are asked for.
type watched struct {
	tree
	read *[]string
}

func (w watched) File(path string) ([]byte, error) {
	*w.read = append(*w.read, path)
	return w.tree.File(path)
}

// FuzzInputs: any header, any text with blocks and any value given.
func FuzzInputs(f *testing.F) {
	paths, err := filepath.Glob("testdata/*inputs*.txtar")
	if err != nil || len(paths) < 10 {
		f.Fatal(paths, err)
	}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if header, body, ok := strings.Cut(string(file.Data), "\n---\n"); ok {
				f.Add(header, body, `"x"`)
			}
		}
	}
	f.Add("spec: {inputs: {a: {}}}", "job: {script: '$[[ inputs.a | truncate(0,9) | posix_escape | expand_vars ]]'}", `"$HOME $$ $(x)"`)
	f.Fuzz(func(t *testing.T, header, body, given string) {
		c := context("")
		c.Inputs = map[string]json.RawMessage{"a": json.RawMessage(given)}
		p, problems := Compile(File, []byte(header+"\n---\n"+body), c)
		sane(t, p, len(problems))
	})
}

// FuzzVariables: values of any bytes refer to one another; each job has an environment
// that is bounded and the same each time.
func FuzzVariables(f *testing.F) {
	f.Add("$B", "${C}x", "$$A")
	f.Add("$A$A", "$A$A$A$A", "${A")
	f.Add(strings.Repeat("$B", 3000), strings.Repeat("$C", 3000), strings.Repeat("x", 3000))
	f.Add("\xff\x00", "${", "$")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		vars := []plan.Variable{{Name: "A", Value: a}, {Name: "B", Value: b}, {Name: "C", Value: c}, {Name: "A", Value: b + a}}
		p := &plan.Plan{Variables: slices.Clone(vars)}
		j := &plan.Job{}
		first, again := plan.Environ(p, j, nil, nil, nil), plan.Environ(p, j, nil, nil, nil)
		if !slices.Equal(first, again) || len(first) != 3 {
			t.Errorf("%+v, then %+v", first, again)
		}
		for _, v := range first {
			if len(v.Value) > max(plan.MaxValue, len(a)+len(b)) {
				t.Errorf("%s has %d bytes", v.Name, len(v.Value))
			}
		}
	})
}
