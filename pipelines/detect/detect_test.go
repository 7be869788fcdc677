package detect

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"slipway.dev/pipelines/gitlab"
)

type files map[string]string

func (f files) Exists(path string) (bool, error) {
	for name := range f {
		if name == path || strings.HasPrefix(name, path+"/") {
			return true, nil
		}
	}
	return false, nil
}

func (f files) File(path string) ([]byte, error) {
	if s, ok := f[path]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}

func (f files) List() ([]string, error) { return slices.Sorted(maps.Keys(f)), nil }

func (f files) Changed(string) ([]string, error) { return f.List() }

func TestPipeline(t *testing.T) {
	const file = "job: {script: echo}\n"
	tests := []struct {
		name, file, branch string
		tree               files
		want               string // source: jobs, or the reason
	}{
		{"own file wins", "", "main", files{".gitlab-ci.yml": file, "Dockerfile": "", "deploy/a.yaml": ""}, ".gitlab-ci.yml: job<-"},
		{"named file", "ci/pipeline.yml", "main", files{"ci/pipeline.yml": file, ".gitlab-ci.yml": "x"}, "ci/pipeline.yml: job<-"},
		{"named file missing", "ci.yml", "main", files{"Dockerfile": ""}, "problem file-missing"},
		{"bad file", "", "main", files{".gitlab-ci.yml": "job: {}"}, "problem script-missing"},
		{"build and deploy", "", "main", files{"Dockerfile": "", "deploy/a.yaml": ""}, "default: build<- deploy<-build"},
		{"other branch builds", "", "feature", files{"Dockerfile": "", "deploy/a.yaml": ""}, "default: build<-"},
		{"tag", "", "refs/tags/v1", files{"Dockerfile": "", "deploy/a.yaml": ""}, "default: build<- deploy<-build"},
		{"tag of manifests", "", "refs/tags/v1", files{"deploy/a.yaml": ""}, "default: deploy<-"},
		{"tag without manifests", "", "refs/tags/v1", files{"Dockerfile": ""}, "default: build<-"},
		{"no manifests", "", "main", files{"Dockerfile": ""}, "default: build<-"},
		{"manifests only", "", "main", files{"deploy/a.yaml": ""}, "default: deploy<-"},
		{"manifests, other branch", "", "x", files{"deploy/a.yaml": ""}, "default: only the default branch"},
		{"manifests below only", "", "main", files{"deploy/prod/a.yaml": ""}, "default: nothing to do: no manifest is in deploy itself; `slipway app create NAME --repo shop --path deploy/prod`"},
		{"manifests below, an image", "", "main", files{"Dockerfile": "", "deploy/prod/a.yaml": "", "deploy/README.md": ""}, "default: build<-"},
		{"both", "", "main", files{"deploy/prod/a.yaml": "", "deploy/web.yaml": ""}, "default: deploy<-"},
		{"a chart", "", "main", files{"deploy/templates/a.yaml": "", "deploy/Chart.yaml": ""}, "default: deploy<-"},
		{"nothing", "", "main", files{"README.md": ""}, "default: nothing to do"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := gitlab.Context{Branch: tt.branch, DefaultBranch: "main", Namespace: "default", ProjectName: "shop", Commit: "abc"}
			if tag, ok := strings.CutPrefix(tt.branch, "refs/tags/"); ok {
				in.Branch, in.Tag = "", tag
			}
			p, problems, err := Pipeline(tt.tree, tt.file, in)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			if len(problems) > 0 {
				got = "problem " + problems[0].Rule
			} else {
				if err := p.Check(); err != nil {
					t.Fatal(err)
				}
				got = p.Source + ": " + p.Empty
				var jobs []string
				for _, j := range p.Jobs {
					s := j.Name + "<-"
					for _, n := range j.Needs {
						s += n.Job
					}
					jobs = append(jobs, s)
				}
				got += strings.Join(jobs, " ")
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

type broken struct{ files }

func (broken) Exists(string) (bool, error) { return false, fmt.Errorf("disk") }

func TestPipelineTreeError(t *testing.T) {
	if _, _, err := Pipeline(broken{}, "", gitlab.Context{}); err == nil {
		t.Error("an unreadable tree gives no error")
	}
}

// TestMergeRequestWithoutAFile: a fork's branch may have the name of the default one, and
// is not deployed; a branch of the repository has a run of its own.
func TestMergeRequestWithoutAFile(t *testing.T) {
	tree := files{"Dockerfile": "", "deploy/a.yaml": ""}
	for fork, want := range map[bool]int{true: 1, false: 0} {
		p, problems, err := Pipeline(tree, "", gitlab.Context{
			Branch: "main", DefaultBranch: "main", Namespace: "default", ProjectName: "shop", Commit: "abc",
			Source: gitlab.MergeRequestEvent, MergeRequest: 7, Request: gitlab.Request{Fork: fork},
		})
		if err != nil || len(problems) > 0 || len(p.Jobs) != want || (p.Empty == "") != fork {
			t.Errorf("fork %v: %+v %v %v", fork, p, problems, err)
		}
		if fork && p.Jobs[0].Name != "build" {
			t.Errorf("%+v", p.Jobs)
		}
	}
}
