package lint

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/plan"
)

var push = gitlab.Context{Ref: "refs/heads/main", Branch: "main", DefaultBranch: "main", Commit: strings.Repeat("0", 40),
	ProjectName: "shop", Namespace: "default", RunID: "shop-0", ServerURL: "https://127.0.0.1:8443"}

const good = `stages: [test, ship]
unit: {stage: test, image: "golang:1.26", script: go test ./...}
vet: {stage: test, script: go vet, allow_failure: true, variables: {A: b}}
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
		got, ok, err := Lint("ci.yml", []byte(tt.content), push, "")
		if err != nil || got != tt.want || ok != tt.ok {
			t.Errorf("got %v %v\n%s\nwant\n%s", ok, err, got, tt.want)
		}
	}
}

func TestJSON(t *testing.T) {
	out, ok, err := Lint("ci.yml", []byte(bad), push, "json")
	var v struct {
		Valid    bool
		Problems []map[string]any
	}
	if err != nil || ok || json.Unmarshal([]byte(out), &v) != nil || v.Valid || len(v.Problems) != 2 {
		t.Errorf("%v %v\n%s", ok, err, out)
	}
	out, ok, err = Show("ci.yml", []byte(good), push, "json", nil)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if p, err := plan.Decode([]byte(out)); err != nil || len(p.Jobs) != 3 {
		t.Error(p, err)
	}
	if _, _, err := Lint("ci.yml", []byte(good), push, "xml"); err == nil {
		t.Error("an unknown format is accepted")
	}
}

// TestSARIF holds what is printed to the schema of SARIF 2.1.0, for all problems there are.
func TestSARIF(t *testing.T) {
	files, err := filepath.Glob("../gitlab/testdata/bad-*.yml")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	var all []v1alpha1.Problem
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, problems := gitlab.Compile(filepath.Base(file), content, push)
		all = append(all, problems...)
	}
	all = append(all, v1alpha1.Problem{File: "a b/ü%.yml", Rule: "limit", Message: "no place"},
		v1alpha1.Problem{File: "https://example.com/a.yml", Line: 2, Rule: "other", Message: "elsewhere"})
	for _, list := range [][]v1alpha1.Problem{nil, all} {
		text, err := sarifText(list)
		if err != nil {
			t.Fatal(err)
		}
		if err := sarifReport(list).Validate(); err != nil {
			t.Error(err)
		}
		var log struct {
			Version string
			Runs    []struct {
				Tool struct {
					Driver struct{ Rules []struct{ ID string } }
				}
				Results []struct {
					RuleID    string
					RuleIndex int
					Message   struct{ Text string }
					Locations []struct {
						PhysicalLocation struct {
							ArtifactLocation struct{ URI, URIBaseID string }
							Region           *struct{ StartLine, StartColumn int }
						}
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(text), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != len(list) {
			t.Fatalf("%v\n%s", err, text)
		}
		for i, r := range log.Runs[0].Results {
			place, want := r.Locations[0].PhysicalLocation, list[i]
			if r.RuleID != want.Rule || log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID != want.Rule || !strings.HasPrefix(r.Message.Text, want.Message) {
				t.Errorf("%+v, want %+v", r, want)
			}
			if (place.Region == nil) != (want.Line == 0) || place.Region != nil && (place.Region.StartLine != want.Line || place.Region.StartColumn < 1) {
				t.Errorf("%+v, want %+v", place.Region, want)
			}
			if strings.HasPrefix(want.File, "a b") && place.ArtifactLocation.URI != "a%20b/%C3%BC%25.yml" {
				t.Errorf("%+v", place.ArtifactLocation)
			}
		}
	}
}

// TestRules: every rule that a bad file breaks is described.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("../gitlab/testdata/*/bad-*.yml")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, problems := gitlab.Compile("ci.yml", content, push)
		for _, x := range problems {
			if gitlab.Rules[x.Rule] == "" {
				t.Errorf("rule %s is not described", x.Rule)
			}
		}
	}
}

func TestShow(t *testing.T) {
	got, ok, err := Show("ci.yml", []byte(good), push, "", []string{"vet"})
	want := `STAGE   JOB    NEEDS       IMAGE         WHEN
test    unit   -           golang:1.26   on_success
test    vet    -           -             on_success, may fail
ship    ship   unit, vet   -             on_success

vet:
  allowFailure: true
  byStage: true
  checkout:
    depth: 20
  id: vet
  script:
    main:
    - go vet
  stage: test
  variables:
  - name: A
    value: b
  when: on_success
`
	if err != nil || !ok || got != want {
		t.Errorf("%v %v\n%s", ok, err, got)
	}
	if whole, _, _ := Show("ci.yml", []byte(good), push, "", nil); strings.Count(whole, "byStage:") != 3 {
		t.Errorf("not every job has its form:\n%s", whole)
	}
	if _, _, err := Show("ci.yml", []byte(good), push, "", []string{"nobody"}); err == nil || !strings.Contains(err.Error(), "unit, vet, ship") {
		t.Errorf("%v", err)
	}
	if out, _, err := Show("ci.yml", []byte(good), push, "yaml", nil); err != nil || !strings.Contains(out, "\nstages:\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, ok, err := Show("ci.yml", []byte(bad), push, "yaml", nil); err != nil || ok || !strings.Contains(out, "2 problems") {
		t.Errorf("%v %v\n%s", ok, err, out)
	}
}
