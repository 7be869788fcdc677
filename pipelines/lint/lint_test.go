package lint

import (
	"encoding/json"
	"testing"

	"slipway.dev/pipelines/plan"
)

const good = `stages: [test, ship]
unit: {stage: test, image: "golang:1.26", script: go test ./...}
vet: {stage: test, script: go vet, allow_failure: true}
ship: {stage: ship, script: slipway deploy}
`

const bad = "unit:\n  scripts: go test\n"

func TestLintText(t *testing.T) {
	tests := []struct {
		content, want string
		ok            bool
	}{
		{good, "ci.yml: valid, 3 jobs\n", true},
		{"a: {script: x, rules: [{if: $CI_COMMIT_TAG}]}", "ci.yml: valid, without a job here: the rules of all jobs leave out this push\n", true},
		{bad, "ci.yml:1:1: job \"unit\" has no script [script-missing]\n    write `script:` with the commands to run\n" +
			"ci.yml:2:3: unknown key \"scripts\" in a job [unknown-key]\n    did you mean \"script\"?\nci.yml: 2 problems\n", false},
	}
	for _, tt := range tests {
		got, ok, err := Lint("ci.yml", []byte(tt.content), Context("", "", ""), "")
		if err != nil || got != tt.want || ok != tt.ok {
			t.Errorf("got %v %v\n%s\nwant\n%s", ok, err, got, tt.want)
		}
	}
}

func TestJSON(t *testing.T) {
	out, ok, err := Lint("ci.yml", []byte(bad), Context("", "", ""), "json")
	var v struct {
		Valid    bool
		Problems []map[string]any
	}
	if err != nil || ok || json.Unmarshal([]byte(out), &v) != nil || v.Valid || len(v.Problems) != 2 {
		t.Errorf("%v %v\n%s", ok, err, out)
	}
	out, ok, err = Show("ci.yml", []byte(good), Context("shop", "main", ""), "json")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if p, err := plan.Decode([]byte(out)); err != nil || len(p.Jobs) != 3 {
		t.Error(p, err)
	}
	if _, _, err := Lint("ci.yml", []byte(good), Context("", "", ""), "xml"); err == nil {
		t.Error("an unknown format is accepted")
	}
}

func TestShow(t *testing.T) {
	got, ok, err := Show("ci.yml", []byte(good), Context("", "", ""), "")
	want := `STAGE   JOB    NEEDS       IMAGE         WHEN
test    unit   -           golang:1.26   on_success
test    vet    -           -             on_success, may fail
ship    ship   unit, vet   -             on_success
`
	if err != nil || !ok || got != want {
		t.Errorf("%v %v\n%s", ok, err, got)
	}
}
