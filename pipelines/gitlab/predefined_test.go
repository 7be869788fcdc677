package gitlab

import (
	"strings"
	"testing"
	"time"
)

// TestPredefined has every variable of the table at least once.
func TestPredefined(t *testing.T) {
	branch, tag, merge := corpusContext(t, "branch"), corpusContext(t, "tag"), corpusContext(t, "merge")
	schedule, trigger := corpusContext(t, "schedule"), corpusContext(t, "trigger")
	branch.Created, branch.Protected = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), true
	tag.TagMessage = "First"
	merge.Protected = true
	merge.TargetProtected, merge.DiffBase = true, before
	branch.OpenRequests = []string{"default/shop!3", "default/shop!4"}
	forked := merge
	forked.Request = Request{Title: "Steal", Project: "mallory/shop", Fork: true, Draft: true}
	child := merge
	child.Source, child.OfMergeRequest, child.Before = "parent_pipeline", true, before
	child.Upstream = Upstream{JobID: "shop-7-kids-1", RunID: "shop-7", Project: "default/shop"}
	want := []struct {
		in   Context
		vars string
	}{
		{branch, `CI=true GITLAB_CI=true SLIPWAY=true CI_SERVER=yes CI_SERVER_NAME=Slipway CI_SERVER_URL=https://10.0.0.1:8443
			CI_SERVER_HOST=10.0.0.1 CI_SERVER_PORT=8443 CI_SERVER_FQDN=10.0.0.1:8443 CI_SERVER_PROTOCOL=https CI_SERVER_VERSION=v0.7.2
			CI_SERVER_VERSION_MAJOR=0 CI_SERVER_VERSION_MINOR=7 CI_SERVER_VERSION_PATCH=2 CI_CONFIG_PATH=.gitlab-ci.yml
			CI_COMMIT_SHA=0123456789abcdef0123456789abcdef01234567 CI_COMMIT_SHORT_SHA=01234567 CI_COMMIT_BEFORE_SHA=` + before + `
			CI_COMMIT_REF_NAME=feature/Login_1 CI_COMMIT_REF_SLUG=feature-login-1 CI_COMMIT_REF_PROTECTED=true CI_COMMIT_BRANCH=feature/Login_1
			CI_COMMIT_TAG= CI_COMMIT_MESSAGE=Sell_shoes//And_socks./ CI_COMMIT_MESSAGE_IS_TRUNCATED=false CI_COMMIT_TITLE=Sell_shoes CI_COMMIT_DESCRIPTION=And_socks./
			CI_COMMIT_AUTHOR=Ada_<ada@example.org> CI_COMMIT_TIMESTAMP=2026-01-02T03:04:05Z CI_DEFAULT_BRANCH=main CI_DEFAULT_BRANCH_SLUG=main
			CI_PIPELINE_ID=shop-7 CI_PIPELINE_URL=https://10.0.0.1:8443/runs/default/shop-7 CI_PIPELINE_IID=7 CI_PIPELINE_SOURCE=push CI_PIPELINE_CREATED_AT=2026-01-02T03:04:06Z CI_PIPELINE_TRIGGERED=
			CI_PROJECT_ID=default/shop CI_PROJECT_NAME=shop CI_PROJECT_TITLE=shop CI_PROJECT_NAMESPACE=default CI_PROJECT_NAMESPACE_ID=default CI_PROJECT_NAMESPACE_SLUG=default
			CI_PROJECT_ROOT_NAMESPACE=default CI_PROJECT_PATH=default/shop CI_PROJECT_PATH_SLUG=default-shop
			CI_PROJECT_URL=https://10.0.0.1:8443/git/default/shop CI_PROJECT_VISIBILITY=private CI_REGISTRY=registry.slipway.internal
			CI_REGISTRY_IMAGE=registry.slipway.internal/default/shop CI_TEMPLATE_REGISTRY_HOST=registry.gitlab.com CI_DISPOSABLE_ENVIRONMENT=true
			CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX=docker.io CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX=docker.io CI_OPEN_MERGE_REQUESTS=default/shop!3,default/shop!4
			GITLAB_USER_LOGIN=ada GITLAB_USER_NAME=ada GITLAB_USER_ID=ada CI_MERGE_REQUEST_IID= CI_MERGE_REQUEST_TITLE=`},
		{tag, `CI_COMMIT_TAG=v1.2.3 CI_COMMIT_TAG_MESSAGE=First CI_COMMIT_BRANCH= CI_COMMIT_REF_NAME=v1.2.3 CI_COMMIT_REF_SLUG=v1-2-3
			CI_COMMIT_BEFORE_SHA=` + noCommit + ` CI_COMMIT_REF_PROTECTED=false`},
		{merge, `CI_PIPELINE_SOURCE=merge_request_event CI_COMMIT_BRANCH= CI_COMMIT_REF_NAME=feature/Login_1 CI_COMMIT_BEFORE_SHA=` + noCommit + `
			CI_MERGE_REQUEST_ID=12 CI_MERGE_REQUEST_IID=12 CI_MERGE_REQUEST_EVENT_TYPE=detached CI_MERGE_REQUEST_REF_PATH=refs/heads/feature/Login_1
			CI_MERGE_REQUEST_TITLE=Sell_shoes CI_MERGE_REQUEST_DESCRIPTION=And_socks./ CI_MERGE_REQUEST_PROJECT_ID=default/shop
			CI_MERGE_REQUEST_PROJECT_PATH=default/shop CI_MERGE_REQUEST_PROJECT_URL=https://10.0.0.1:8443/git/default/shop
			CI_MERGE_REQUEST_SOURCE_BRANCH_NAME=feature/Login_1 CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED=true
			CI_MERGE_REQUEST_SOURCE_PROJECT_ID=default/shop CI_MERGE_REQUEST_SOURCE_PROJECT_PATH=default/shop
			CI_MERGE_REQUEST_SOURCE_PROJECT_URL=https://10.0.0.1:8443/git/default/shop CI_MERGE_REQUEST_TARGET_BRANCH_NAME=main CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED=true CI_MERGE_REQUEST_DIFF_BASE_SHA=` + before},
		{forked, `CI_MERGE_REQUEST_TITLE=Steal CI_MERGE_REQUEST_DESCRIPTION= CI_MERGE_REQUEST_DRAFT=true CI_MERGE_REQUEST_SOURCE_PROJECT_ID=mallory/shop
			CI_MERGE_REQUEST_SOURCE_PROJECT_PATH=mallory/shop CI_MERGE_REQUEST_SOURCE_PROJECT_URL= CI_MERGE_REQUEST_PROJECT_PATH=default/shop`},
		{schedule, `CI_PIPELINE_SOURCE=schedule CI_PIPELINE_SCHEDULE_DESCRIPTION=nightly`},
		{child, `CI_PIPELINE_SOURCE=parent_pipeline CI_MERGE_REQUEST_ID=12 CI_COMMIT_BRANCH= CI_COMMIT_BEFORE_SHA=` + noCommit + `
			CI_UPSTREAM_PIPELINE_ID=shop-7 CI_UPSTREAM_PROJECT_ID=default/shop CI_UPSTREAM_JOB_ID=shop-7-kids-1`},
		{trigger, `CI_UPSTREAM_PIPELINE_ID= CI_PIPELINE_SOURCE=trigger CI_PIPELINE_TRIGGERED=true`},
	}
	seen := map[string]bool{}
	for _, w := range want {
		got := map[string]string{}
		for _, v := range Predefined(File, w.in) {
			if _, twice := got[v.Name]; twice || !v.Raw || v.Value == "" {
				t.Errorf("%+v", v)
			}
			got[v.Name] = strings.NewReplacer(" ", "_", "\n", "/").Replace(v.Value)
		}
		for _, pair := range strings.Fields(w.vars) {
			name, value, _ := strings.Cut(pair, "=")
			seen[name] = true
			if got[name] != value {
				t.Errorf("%s: %s is %q, want %q", w.in.source(), name, got[name], value)
			}
		}
	}
	for _, p := range predefinedVariables {
		if !seen[p.name] {
			t.Errorf("%s is not tested", p.name)
		}
	}
}

// TestJobVariables: those that come from the job itself.
func TestJobVariables(t *testing.T) {
	file := `
job:
  image: busybox:$CI_NODE_TOTAL
  stage: build
  parallel: {matrix: [{A: [x, "y z"]}]}
  environment: {name: review/pow, url: "https://$CI_ENVIRONMENT_SLUG.example.org", action: verify}
  script: echo
plain: {script: echo}
workflow: {name: Shop of $CI_COMMIT_BRANCH}
`
	p, problems := Compile(File, []byte(file), corpusContext(t, "main"))
	if p == nil {
		t.Fatal(problems)
	}
	for job, want := range map[string]map[string]string{
		"job: [y z]": {"CI_JOB_NAME": "job: [y z]", "CI_JOB_NAME_SLUG": "job---y-z", "CI_JOB_STAGE": "build", "CI_NODE_INDEX": "2",
			"CI_NODE_TOTAL": "2", "CI_JOB_GROUP_NAME": "job", "CI_JOB_IMAGE": "busybox:2", "CI_ENVIRONMENT_NAME": "review/pow",
			"CI_ENVIRONMENT_SLUG": environmentSlug("review/pow"), "CI_ENVIRONMENT_ACTION": "verify", "CI_ENVIRONMENT_TIER": "development",
			"CI_ENVIRONMENT_URL": "https://$CI_ENVIRONMENT_SLUG.example.org"},
		"plain": {"CI_NODE_TOTAL": "1", "CI_NODE_INDEX": "", "CI_ENVIRONMENT_NAME": "", "CI_JOB_STAGE": "test", "CI_JOB_IMAGE": ""},
	} {
		got := map[string]string{}
		for _, v := range p.Job(job).Predefined {
			got[v.Name] = v.Value
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s is %q, want %q", job, name, got[name], value)
			}
		}
	}
	last := p.Predefined[len(p.Predefined)-1]
	if last.Name != "CI_PIPELINE_NAME" || last.Value != "Shop of main" {
		t.Errorf("%+v", last)
	}
}
