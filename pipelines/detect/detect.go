// Package detect owns the question which pipeline a repository gets: its own file, or
// a default one made from what is there. It never reads a pipeline file itself; that
// is the front end's. Start at Pipeline.
package detect

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/plan"
)

// Default is the source of a plan that no file describes.
const Default = "default"

// What a repository without a pipeline file is looked at for.
const (
	Dockerfile = "Dockerfile"
	Manifests  = "deploy"
)

// Tree is one commit, read only. Paths are slash-separated, from the root.
type Tree interface {
	gitlab.Files
	// Exists says whether there is a file or a directory.
	Exists(path string) (bool, error)
}

// Pipeline compiles the pipeline of a commit: the file named (which must be there),
// or else .gitlab-ci.yml, or else a default one: `build` where there is a Dockerfile,
// and `deploy` on the default branch where there is a deploy directory with manifests. A
// repository with neither gets a plan without jobs that says so in Empty. The error is the
// tree's; what is wrong with the file comes as problems.
func Pipeline(tree Tree, file string, in gitlab.Context) (*plan.Plan, []v1alpha1.Problem, error) {
	name := file
	if name == "" {
		name = gitlab.File
	}
	there, err := tree.Exists(name)
	if err != nil {
		return nil, nil, err
	}
	if there {
		content, err := tree.File(name)
		if err != nil {
			return nil, nil, err
		}
		in.Files = tree
		p, problems := gitlab.Compile(name, content, in)
		return p, problems, nil
	}
	if file != "" {
		return nil, []v1alpha1.Problem{{
			File: file, Rule: "file-missing", Message: fmt.Sprintf("the commit has no file %q", file),
			Hint: "correct pipelineFile of the repository, or add the file",
		}}, nil
	}
	build, err := tree.Exists(Dockerfile)
	if err != nil {
		return nil, nil, err
	}
	deploy, below, err := manifests(tree)
	if err != nil {
		return nil, nil, err
	}
	p := standard(build, deploy, in)
	if below != "" && len(p.Jobs) == 0 && p.Empty != "" {
		p.Empty = fmt.Sprintf("nothing to do: no manifest is in %s itself; `slipway app create NAME --repo %s --path %s` makes an application of a directory below it", Manifests, in.ProjectName, below)
	}
	return p, nil, nil
}

// manifests says whether the directory has some itself: one of directories alone is laid
// out for applications that somebody makes. Then below is one of these.
func manifests(tree Tree) (there bool, below string, err error) {
	if there, err = tree.Exists(Manifests); err != nil || !there {
		return false, "", err
	}
	all, err := tree.List()
	if err != nil {
		return false, "", err
	}
	for _, name := range all {
		rest, ok := strings.CutPrefix(name, Manifests+"/")
		switch ext := path.Ext(rest); {
		case !ok:
		case strings.Contains(rest, "/"):
			below = cmp.Or(below, path.Dir(name))
		case ext == ".yaml", ext == ".yml", ext == ".json", rest == "Kustomization":
			return true, "", nil
		}
	}
	return below == "", below, nil
}

func standard(build, deploy bool, in gitlab.Context) *plan.Plan {
	p := &plan.Plan{
		Version: plan.Version, Source: Default, Commit: in.Commit, Ref: in.Ref, Stages: []string{"build", "deploy"},
		Predefined: gitlab.Predefined(Default, in), Given: in.Variables, Jobs: []plan.Job{},
	}
	// The branch of a merge request may be another's of the same name.
	main := in.Branch != "" && in.Branch == in.DefaultBranch && in.Source != gitlab.MergeRequestEvent
	if in.MergeRequest > 0 && !in.Request.Fork {
		p.Empty = fmt.Sprintf("the run of branch %q does the same", in.Branch)
		return p
	}
	if build {
		p.Jobs = append(p.Jobs, plan.Job{
			Name: "build", Stage: "build", When: plan.OnSuccess,
			Script: plan.Script{Main: []string{"slipway build"}},
			Build: &plan.Build{
				Dockerfile: Dockerfile, Context: ".",
				Image: v1alpha1.RegistryHost + "/" + in.Namespace + "/" + in.ProjectName,
			},
		})
	}
	// A tag is deployed to what follows it, whatever that is called.
	if deploy && (main || in.Tag != "") {
		application := in.ProjectName
		if !main {
			application = ""
		}
		j := plan.Job{
			Name: "deploy", Stage: "deploy", When: plan.OnSuccess, ByStage: true,
			Script: plan.Script{Main: []string{"slipway deploy"}},
			Deploy: &plan.Deploy{Application: application, Path: Manifests},
		}
		if build {
			j.Needs = []plan.Need{{Job: "build"}}
		}
		p.Jobs = append(p.Jobs, j)
	}
	plan.AssignIDs(p.Jobs)
	switch {
	case len(p.Jobs) > 0:
	case deploy:
		p.Empty = fmt.Sprintf("only the default branch %q and tags are deployed, and there is no Dockerfile to build", in.DefaultBranch)
	default:
		p.Empty = "nothing to do: the repository has no .gitlab-ci.yml, no Dockerfile and no deploy directory; add one of them"
	}
	return p
}
