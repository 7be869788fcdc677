package run

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/variables"
)

// bare is a commit without any file that matters.
type bare struct{ Source }

func (bare) Exists(context.Context, string, string, string, string) (bool, error) { return false, nil }

func TestTagMessageReachesItsRunsOnly(t *testing.T) {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	d := &Detector{
		Source: bare{}, Variables: &variables.Store{Client: fake.NewClientBuilder().WithScheme(s).Build()},
		Describe: func(context.Context, string, string, string) (string, string, time.Time, error) {
			return "of the commit", "Ann <ann@example.org>", time.Time{}, nil
		},
		TagMessage: func(_ context.Context, ns, repo, tag, commit string) (string, error) {
			return "of " + ns + "/" + repo + " " + tag + " at " + commit, nil
		},
	}
	for ref, want := range map[string]string{"refs/tags/v1": "of default/shop v1 at c", "refs/heads/v1": ""} {
		c, err := d.Compile(t.Context(), &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-1"},
			Spec: v1alpha1.RunSpec{Repository: "shop", Ref: ref, Commit: "c"}},
			&v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}, nil)
		if err != nil || c.Plan == nil {
			t.Fatalf("%s: %+v %v", ref, c, err)
		}
		got := ""
		for _, v := range c.Plan.Predefined {
			if v.Name == "CI_COMMIT_TAG_MESSAGE" {
				got = v.Value
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}

// commit is one with files.
type commit struct {
	Source
	files map[string]string
}

func (c commit) Exists(_ context.Context, _, _, _, path string) (bool, error) {
	_, ok := c.files[path]
	return ok, nil
}

func (c commit) File(_ context.Context, _, _, _, path string) ([]byte, error) {
	if text, ok := c.files[path]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

func (c commit) List(context.Context, string, string, string) ([]string, error) {
	return slices.Sorted(maps.Keys(c.files)), nil
}

// TestCompileOfWhatAJobStarted: a child's files instead of the repository's, what was
// forwarded, and who started it.
func TestCompileOfWhatAJobStarted(t *testing.T) {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	d := &Detector{
		Source:    commit{files: map[string]string{".gitlab-ci.yml": "own: {script: echo}", "ci/a.yml": "variables: {COLOR: red}\na: {script: echo}\n"}},
		Variables: &variables.Store{Client: fake.NewClientBuilder().WithScheme(s).Build()},
		Describe: func(context.Context, string, string, string) (string, string, time.Time, error) {
			return "message", "Ann <ann@example.org>", time.Time{}, nil
		},
	}
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}
	parent := &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "up-1"}, Spec: v1alpha1.RunSpec{Repository: "up"}}
	local := OriginFile{TriggerFile: plan.TriggerFile{Path: "ci/a.yml"}}
	made := func(text string) OriginFile {
		return OriginFile{TriggerFile: plan.TriggerFile{Path: "out/b.yml", Job: "make"}, Content: []byte(text)}
	}
	for name, c := range map[string]struct {
		files  []OriginFile
		target string
		want   string // source and jobs, or the first problem
	}{
		"the repository's own": {nil, "", ".gitlab-ci.yml own"},
		"a file":               {[]OriginFile{local}, "", "ci/a.yml a"},
		"files":                {[]OriginFile{made("b: {script: echo}"), local}, "", "make:out/b.yml b a"},
		"faults of a made one": {[]OriginFile{local, made("b:\n  script: echo\n  stage: nope\n")}, "", "make:out/b.yml:3:10 undefined-stage"},
		"nothing was made":     {[]OriginFile{{TriggerFile: plan.TriggerFile{Path: "b.yml", Job: "make"}}}, "", "make:b.yml:1:1 include"},
		"of a merge request":   {[]OriginFile{made("b: {script: echo, only: [merge_requests]}\nc: {script: echo, rules: [{if: $CI_COMMIT_BRANCH}]}")}, "refs/heads/main", "make:out/b.yml b"},
	} {
		run := &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-1"}, Spec: v1alpha1.RunSpec{
			Repository: "shop", Ref: "refs/heads/x", Commit: "c", Target: c.target, Cause: v1alpha1.RunCauseChild,
			Forwarded: []v1alpha1.ForwardedVariable{{Name: "COLOR", Value: "$BLUE"}, {Name: "SAYS", Value: "${TOKEN}", Expand: true}},
		}}
		got, err := d.Compile(t.Context(), run, repo, &Origin{Run: parent, Attempt: "up-1-kids-2", Files: c.files})
		if err != nil {
			t.Fatal(name, err)
		}
		said := ""
		if len(got.Problems) > 0 {
			p := got.Problems[0]
			said = fmt.Sprintf("%s:%d:%d %s", p.File, p.Line, p.Column, p.Rule)
		} else {
			said = got.Plan.Source
			for i := range got.Plan.Jobs {
				said += " " + got.Plan.Jobs[i].Name
			}
			env := map[string]string{}
			for _, v := range plan.Environ(got.Plan, &got.Plan.Jobs[0], nil, nil, []plan.Variable{{Name: "TOKEN", Value: "secret", Raw: true}}) {
				env[v.Name] = v.Value
			}
			if env["COLOR"] != "$BLUE" || env["SAYS"] != "secret" || env["CI_UPSTREAM_PIPELINE_ID"] != "up-1" || env["CI_UPSTREAM_PROJECT_ID"] != "default/up" || env["CI_UPSTREAM_JOB_ID"] != "up-1-kids-2" {
				t.Errorf("%s: %v", name, env)
			}
		}
		if said != c.want {
			t.Errorf("%s: %s, want %s", name, said, c.want)
		}
	}
}
