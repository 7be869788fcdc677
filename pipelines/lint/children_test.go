package lint

import (
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
)

// tree is a work tree in memory.
type tree map[string]string

func (t tree) File(path string) ([]byte, error) {
	if s, ok := t[path]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}
func (t tree) List() ([]string, error)          { return slices.Sorted(maps.Keys(t)), nil }
func (t tree) Changed(string) ([]string, error) { return nil, nil }

// TestLintOfChildren: the files of child pipelines are looked at for what the jobs that
// start them give them.
func TestLintOfChildren(t *testing.T) {
	const header = "spec: {inputs: {count: {type: number}}}\n---\n"
	tests := []struct {
		name, file string
		tree       tree
		want       string
		ok         bool
	}{
		{"right", "a: {trigger: {include: ci/a.yml}}\n", tree{"ci/a.yml": "x: {script: x}\n"}, "ci.yml: valid, 1 job\n", true},
		{"a fault in a child", "a: {trigger: {include: ci/a.yml}}\n", tree{"ci/a.yml": "x:\n  scirpt: x\n  script: x\n"},
			"ci/a.yml:2:3: unknown key \"scirpt\" in a job [unknown-key]\n    did you mean \"script\"?\nci.yml: 1 problem\n", false},
		{"in a file that it includes", "a: {trigger: {include: [{local: a.yml}]}}\n", tree{"a.yml": "include: b.yml\nx: {script: x}\n", "b.yml": "y: {}\n"},
			"b.yml:1:1: job \"y\" has no script [script-missing]\n    write `script:` with the commands to run\nci.yml: 1 problem\n", false},
		{"a file that is not there", "a: {trigger: {include: a.yml}}\n", tree{}, "a.yml:1:1: ", false},
		{"told once", "a: {parallel: {matrix: [{P: [x, y]}]}, trigger: {include: a.yml}}\n", tree{"a.yml": "x: {scirpt: x}\n"}, "ci.yml: 2 problems\n", false},
		{"an input", "a: {trigger: {include: [{local: a.yml, inputs: {count: three}}]}}\n", tree{"a.yml": header + "x: {script: 'echo $[[ inputs.count ]]'}\n"}, "count", false},
		{"inputs for all files", "a: {trigger: {include: a.yml, inputs: {count: 3}}}\n", tree{"a.yml": header + "x: {script: 'echo $[[ inputs.count ]]'}\n"}, "ci.yml: valid, 1 job\n", true},
		{"its variables", "variables: {FILE: b.yml}\na: {variables: {SUB: ci}, trigger: {include: a.yml}}\n", tree{"a.yml": "include: $SUB/$FILE\nx: {script: x}\n", "ci/b.yml": "y: {scirpt: x, script: x}\n"},
			"ci/b.yml:1:5: unknown key", false},
		{"variables that are not given", "variables: {A: b}\na: {trigger: {include: a.yml, forward: {yaml_variables: false}}}\n", tree{"a.yml": "include: [{local: gone.yml, rules: [{if: $A}]}]\nx: {script: x}\n"}, "ci.yml: valid, 1 job\n", true},
		{"a child of a child", "a: {trigger: {include: a.yml}}\n", tree{"a.yml": "b: {trigger: {include: b.yml}}\n", "b.yml": "x: {scirpt: x, script: x}\n"}, "b.yml:1:5: unknown key", false},
		{"too deep", "a: {trigger: {include: a.yml}}\n", tree{"a.yml": "a: {trigger: {include: a.yml}}\n"}, "a.yml: job \"a\": its child would be nested more than 2 deep [limit]\n    move its jobs into this file\nci.yml: 1 problem\n", false},
		{"a template", "a: {trigger: {include: [{template: Branch-Pipelines.gitlab-ci.yml}, {local: a.yml}]}}\n", tree{"a.yml": "x: {script: x}\n"}, "ci.yml: valid, 1 job\n", true},
		{"a file that a job makes", "m: {script: x, artifacts: {paths: [g.yml]}}\na: {needs: [m], trigger: {include: [{artifact: g.yml, job: m}]}}\n", tree{},
			"not looked at: the pipeline that job \"a\" starts: job \"m\" makes its file g.yml\nci.yml: valid, 2 jobs\n", true},
		{"another repository", "a: {trigger: cart}\nb: {trigger: {include: [{project: default/lib, file: a.yml}]}}\n", tree{},
			"not looked at: the pipeline that job \"a\" starts: it is repository cart's\n" +
				"not looked at: the pipeline that job \"b\" starts: a file of it is not in this work tree (project)\nci.yml: valid, 2 jobs\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := push
			in.Files = tt.tree
			got, ok, err := Lint("ci.yml", []byte(tt.file), in, "")
			whole := strings.HasPrefix(tt.want, "ci.yml") && tt.ok || strings.HasPrefix(tt.want, "not ") || strings.Contains(tt.want, "ci.yml: 1")
			if err != nil || ok != tt.ok || whole && got != tt.want || !strings.Contains(got, tt.want) {
				t.Errorf("%v %v\n%s\nwant\n%s", ok, err, got, tt.want)
			}
		})
	}
	in := push
	in.Files = tree{}
	out, ok, err := Lint("ci.yml", []byte("a: {trigger: cart}\n"), in, "json")
	var v struct {
		Valid       bool
		NotLookedAt []string
	}
	if err != nil || !ok || json.Unmarshal([]byte(out), &v) != nil || !v.Valid || len(v.NotLookedAt) != 1 {
		t.Errorf("%v %v\n%s", ok, err, out)
	}
}
