package corpus

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"slipway.dev/pipelines/gitlab"
)

// Files in memory as a commit in which everything is new.
type Files map[string]string

var _ gitlab.Files = Files{}

// File implements gitlab.Files.
func (f Files) File(path string) ([]byte, error) {
	if s, ok := f[path]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}

// List implements gitlab.Files.
func (f Files) List() ([]string, error) { return slices.Sorted(maps.Keys(f)), nil }

// Changed implements gitlab.Files.
func (f Files) Changed(string) ([]string, error) { return f.List() }

// Large is a pipeline of that many jobs in stages of twenty, as big repositories have
// them: included files, a template that jobs extend, rules, variables, needs, a matrix
// of sorts. It is what the speed of the compiler is measured with.
func Large(jobs int) Files {
	const perFile, perStage = 50, 20
	files := Files{}
	root := "include:\n  - local: ci/base.yml\n  - local: ci/jobs/*.yml\nstages:\n"
	for i := 0; i < jobs; i += perStage {
		root += fmt.Sprintf("  - stage-%d\n", i/perStage)
	}
	root += "variables: {REGISTRY: registry.example.com, TAG: $CI_COMMIT_SHORT_SHA}\nworkflow: {rules: [{if: $CI_COMMIT_BRANCH}, {if: $CI_COMMIT_TAG}]}\n"
	files[".gitlab-ci.yml"] = root
	files["ci/base.yml"] = `default: {image: busybox, interruptible: true, retry: {max: 1, when: runner_system_failure}}
.setup: {script: [echo setup, mkdir -p out]}
.base:
  before_script: [!reference [.setup, script]]
  variables: {GOFLAGS: -mod=mod, IMAGE: $REGISTRY/app:$TAG}
  artifacts: {paths: [out/], expire_in: 1 day}
  cache: {key: "$CI_COMMIT_REF_SLUG", paths: [.cache/]}
.job:
  extends: .base
  rules:
    - if: $CI_PIPELINE_SOURCE == "schedule"
      when: never
    - if: '$CI_COMMIT_BRANCH =~ /^(main|release-.*)$/ && $CI_COMMIT_TITLE !~ /draft/i'
    - changes: ["services/**/*.go", "lib/*"]
  after_script: [echo done]
`
	for i := range jobs {
		name := fmt.Sprintf("ci/jobs/%02d.yml", i/perFile)
		need := ""
		if i >= perStage {
			other := i - i%perStage - 1
			if other == i-perStage {
				other--
			}
			need = fmt.Sprintf("  needs: [job-%d, {job: job-%d, artifacts: false}]\n", i-perStage, other)
		}
		files[name] += fmt.Sprintf(`job-%d:
  extends: .job
  stage: stage-%d
%s  variables: {SERVICE: service-%d, TARGET: "$IMAGE-$SERVICE"}
  script:
    - echo "building $SERVICE as $TARGET"
    - |
      for step in compile test pack; do
        echo "$step %d" > out/$step-%d
      done
`, i, i/perStage, need, i, i, i)
	}
	return files
}
