package gitlab

import (
	"encoding/json"
	"slices"
	"testing"

	"slipway.dev/pipelines/plan"
)

// TestChildren compiles what trigger jobs name: files of the commit, of a job's
// artifacts, of another repository, with inputs.
func TestChildren(t *testing.T) {
	in := context("")
	in.Source = ""
	in.Before = before
	in.Files = tree{changed: []string{"pushed.txt"}, files: map[string]string{
		"changes.yml": "yes: {script: echo, rules: [{changes: [pushed.txt]}]}\nno: {script: echo, rules: [{changes: [other.txt]}]}\n",
		"child.yml":   "spec: {inputs: {env: {default: test}, n: {type: number, default: 1}}}\n---\nchild: {script: 'deploy $[[ inputs.env ]] $[[ inputs.n ]]', retry: '$[[ inputs.n ]]'}\n",
		"more.yml":    "include: inner.yml\nmore: {script: echo, rules: [{if: $CI_PIPELINE_SOURCE == \"parent_pipeline\"}]}\n",
		"inner.yml":   "inner: {script: echo}\n",
	}}
	in.Includes = world{repositories: map[string]tree{"ci@v1": {files: map[string]string{"a.yml": "theirs: {script: echo}\n"}}}}
	file := func(path string) plan.TriggerFile { return plan.TriggerFile{Path: path} }
	tests := []struct {
		name  string
		files []NamedContent
		want  string
	}{
		{"local", []NamedContent{{TriggerFile: plan.TriggerFile{Path: "child.yml", Inputs: map[string]json.RawMessage{"env": []byte(`"live"`), "n": []byte("2")}}}},
			"job child, stage test\n  script: deploy live 2\n  retry {\"max\":2}\n"},
		{"several", []NamedContent{{TriggerFile: file("child.yml")}, {TriggerFile: file("/more.yml")}},
			"job child, stage test\n  script: deploy test 1\n  retry {\"max\":1}\njob inner, stage test\n  script: echo\njob more, stage test\n  script: echo\n"},
		{"changes since the push of the parent", []NamedContent{{TriggerFile: file("changes.yml")}}, "job yes, stage test\n  script: echo\n"},
		{"artifact", []NamedContent{{TriggerFile: plan.TriggerFile{Path: "generated.yml", Job: "make"}, Content: []byte("include: inner.yml\nmade: {script: echo}\n")}},
			"job inner, stage test\n  script: echo\njob made, stage test\n  script: echo\n"},
		{"project", []NamedContent{{TriggerFile: plan.TriggerFile{Include: json.RawMessage(`{"project":"default/ci","ref":"v1","file":"a.yml"}`)}}},
			"job theirs, stage test\n  script: echo\n"},
		{"artifact missing", []NamedContent{{TriggerFile: plan.TriggerFile{Path: "generated.yml", Job: "make"}}},
			"child:1:1: the job \"make\" left no file \"generated.yml\" [include]\n    let the job write it and keep it in artifacts:paths\n"},
		{"artifact bad", []NamedContent{{TriggerFile: plan.TriggerFile{Path: "generated.yml", Job: "make"}, Content: []byte("a:\n  script: x\n  stage: nope\n")}},
			"make:generated.yml:3:10: job \"a\" is in the stage \"nope\", which is not in stages [undefined-stage]\n    known here: .pre, build, test, deploy, .post\n"},
		{"artifact no yaml", []NamedContent{{TriggerFile: file("child.yml")}, {TriggerFile: plan.TriggerFile{Path: "generated.yml", Job: "make"}, Content: []byte("a: [1\n")}},
			"make:generated.yml:1:4: sequence end token ']' not found [yaml-syntax]\n"},
		{"unknown input", []NamedContent{{TriggerFile: plan.TriggerFile{Path: "child.yml", Inputs: map[string]json.RawMessage{"env": []byte(`5`), "x": []byte("2")}}}},
			"child:1:1: child.yml has no input \"x\" [inputs]\n    did you mean \"n\"?\n"},
		{"local missing", []NamedContent{{TriggerFile: file("gone.yml")}},
			"child:1:1: there is no file gone.yml [include]\n    did you mean \"more.yml\"?\n"},
		{"nothing", nil, "child:1:1: the file has no job; names that begin with a dot are templates [no-jobs]\n    write at least one job with a script\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, problems := CompileFiles("child", tt.files, in)
			if got := summary(p, problems); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestTriggerJobs: what is special about jobs that start other pipelines.
func TestTriggerJobs(t *testing.T) {
	p, problems := Compile(File, []byte(`
default: {retry: 2, timeout: 1h}
make: {parallel: {matrix: [{OS: linux}]}, script: echo}
made: {stage: deploy, trigger: {include: {artifact: made.yml, job: make}}}
far: {stage: deploy, trigger: {include: "https://ci.example.org/a.yml"}}
`), corpusContext(t, "main"))
	if p == nil {
		t.Fatal(problems)
	}
	made, far := p.Job("made"), p.Job("far")
	if made.Retry.Max != 0 || made.Timeout.Duration != 0 || p.Job("make: [linux]").Retry.Max != 2 {
		t.Errorf("made %+v", made)
	}
	if got := made.Trigger.Files[0].Job; got != "make: [linux]" {
		t.Errorf("the file is one of job %q", got)
	}
	if got := string(far.Trigger.Files[0].Include); got != `{"remote":"https://ci.example.org/a.yml"}` {
		t.Errorf("far includes %s", got)
	}
	for file, want := range map[string]string{
		"a: {trigger: default/shop}":                   `trigger: project "default/shop" is this one`,
		"a: {trigger: {project: shop}}":                `trigger: project "shop" is this one`,
		"a: {trigger: other/cart}":                     `trigger: project "other/cart" is not in this namespace`,
		"a: {trigger: {include: a.yml}, script: echo}": `job "a" has a trigger, and script does not go with it`,
	} {
		_, problems := Compile(File, []byte(file), corpusContext(t, "main"))
		if len(problems) != 1 || problems[0].Message != want || problems[0].Hint == "" {
			t.Errorf("%s: %+v", file, problems)
		}
	}
}

// TestChildOfMergeRequest: its source is the parent, and it knows the merge request.
func TestChildOfMergeRequest(t *testing.T) {
	in := corpusContext(t, "merge")
	in.Source, in.OfMergeRequest = "parent_pipeline", true
	p, problems := CompileFiles("child", []NamedContent{{Content: []byte(`
yes: {script: echo, rules: [{if: $CI_MERGE_REQUEST_ID}]}
also: {script: echo, only: [merge_requests]}
parent: {script: echo, rules: [{if: $CI_PIPELINE_SOURCE == "parent_pipeline"}]}
no: {script: echo, rules: [{if: $CI_PIPELINE_SOURCE == "merge_request_event"}]}
branch: {script: echo, rules: [{if: $CI_COMMIT_BRANCH}]}
branches: {script: echo, only: [branches]}
`)}}, in)
	if p == nil {
		t.Fatal(problems)
	}
	var names []string
	for i := range p.Jobs {
		names = append(names, p.Jobs[i].Name)
	}
	if !slices.Equal(names, []string{"yes", "also", "parent"}) {
		t.Errorf("jobs %q", names)
	}
}
