package gitlab

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestFormOf a file: what a person may fill in, also where inputs have to be given, and
// variables of files that are included.
func TestFormOf(t *testing.T) {
	in := context("")
	in.Files = tree{files: map[string]string{"staging.yml": "variables: {LEVEL: {value: low, options: [low, high], description: How much}}\n"}}
	for name, tt := range map[string]struct{ file, want string }{
		"variables": {`
variables:
  PLAIN: x
  ASKED: {description: What for}
  CHOSEN: {value: a, options: [a, b]}
  RAW: {value: $x, expand: false}
job: {script: echo, variables: {OWN: {value: y, expand: false}}}
`, `{"variables":[{"name":"ASKED","description":"What for"},{"name":"CHOSEN","value":"a","options":["a","b"]}],"inputs":[]}`},
		"inputs": {`
spec:
  description: Brings the shop out
  inputs:
    where: {options: [staging, live], description: Where to}
    n: {type: number, default: 3}
    all: {type: boolean}
    list: {type: array, default: [a, 1]}
    tag: {regex: ^v\d}
    ruled: {rules: [{if: '$[[ inputs.where ]] == "live"', default: x}, {default: y}]}
---
include: $[[ inputs.where ]].yml
job: {script: "echo $[[ inputs.n ]] $[[ inputs.all ]]"}
`, `{"description":"Brings the shop out","variables":[{"name":"LEVEL","description":"How much","value":"low","options":["low","high"]}],"inputs":[` +
			`{"name":"where","type":"string","description":"Where to","required":true,"options":["staging","live"]},{"name":"n","type":"number","default":3},` +
			`{"name":"all","type":"boolean","required":true},{"name":"list","type":"array","default":["a",1]},{"name":"tag","type":"string","required":true,"regex":"^v\\d"},` +
			`{"name":"ruled","type":"string","rules":true}]}`},
		"problems":  {"variables: {A: {value: x, options: [y]}}\njob: {script: echo}\n", "none of its options"},
		"bad spec":  {"spec: {inputs: {a: {type: sting}}}\n---\njob: {script: echo}\n", "did you mean"},
		"not there": {"include: gone.yml\n", "there is no file gone.yml"},
		"no YAML":   {"a: [\n", "yaml-syntax"},
	} {
		f, problems := FormOf(File, []byte(tt.file), in)
		got, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(problems) > 0 {
			got, _ = json.Marshal(problems)
		}
		if string(got) != tt.want && !(len(problems) > 0 && strings.Contains(string(got), tt.want)) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add("spec: {inputs: {a: {type: number}}}\n---\nvariables: {A: {description: x, options: [a]}}\n")
	f.Fuzz(func(t *testing.T, file string) {
		form, problems := FormOf(File, []byte(file), context(""))
		if form == nil && len(problems) == 0 {
			t.Error("neither a form nor a problem")
		}
	})
}

// TestInputsGivenByHand: whoever types --input count=3 need not know of which type count is.
func TestInputsGivenByHand(t *testing.T) {
	const file = "spec:\n  inputs:\n    count: {default: \"1\"}\n    many: {type: number, default: 1}\n---\na: {script: [\"echo $[[ inputs.count ]] $[[ inputs.many ]]\"]}\n"
	for given, want := range map[string]string{`3`: "echo 3 7", `1.10`: "echo 1.10 7", `true`: "echo true 7", `"x"`: "echo x 7"} {
		in := context("")
		in.Inputs = map[string]json.RawMessage{"count": []byte(given), "many": []byte("7")}
		p, problems := Compile(File, []byte(file), in)
		if len(problems) > 0 || p.Jobs[0].Script.Main[0] != want {
			t.Errorf("%s: %v %+v", given, problems, p)
		}
	}
	in := context("")
	in.Inputs = map[string]json.RawMessage{"count": []byte(`["x"]`)}
	if _, problems := Compile(File, []byte(file), in); len(problems) != 1 {
		t.Errorf("a list for a string: %v", problems)
	}
}
