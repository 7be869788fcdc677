package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// dockerApp is an image that says what it was built with.
const dockerApp = `FROM busybox AS base
ARG WHO=nobody
RUN echo "built for $WHO" > /what
FROM base AS full
COPY data.txt /data.txt
LABEL kind=full
CMD ["sleep", "3600"]
FROM base AS last
RUN echo "the last stage" > /what
`

// TestDockerInJobs is the pipeline that people bring from GitLab: a docker:dind service,
// docker login, build, push and tag; the image then runs as a pod.
func TestDockerInJobs(t *testing.T) {
	together(t)
	r := newRepo(t, "dockered", map[string]string{"Dockerfile": dockerApp, "data.txt": "from the context\n", ".dockerignore": "secret.txt\n",
		"secret.txt": "left out\n", "apart/Containerfile": "FROM busybox\nCOPY . /all\n", ".gitlab-ci.yml": `
stages: [build, release]
default:
  image: busybox
  services: [docker:27-dind]
variables:
  DOCKER_HOST: tcp://docker:2375
  DOCKER_TLS_CERTDIR: ""
build:
  stage: build
  before_script:
    - docker info
    - docker login -u $CI_REGISTRY_USER -p $CI_REGISTRY_PASSWORD $CI_REGISTRY
  script:
    - docker build --pull --cache-from $CI_REGISTRY_IMAGE:latest --platform linux/amd64 --build-arg WHO=docker --label commit=$CI_COMMIT_SHA --target full -t $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA -t $CI_REGISTRY_IMAGE:both .
    - docker push $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA
    - docker push $CI_REGISTRY_IMAGE:both
    - docker images
    - docker inspect --format '{{index .RepoDigests 0}}' $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA
release:
  stage: release
  script:
    - echo "$CI_JOB_TOKEN" | docker login -u gitlab-ci-token --password-stdin $CI_REGISTRY
    - docker pull $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA
    - docker tag $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA $CI_REGISTRY_IMAGE:latest
    - docker push $CI_REGISTRY_IMAGE:latest
    - docker logout $CI_REGISTRY
more:
  stage: build
  script:
    - docker buildx create --use --name mine
    - docker buildx build --push -f apart/Containerfile -t $CI_REGISTRY_IMAGE/all:one .
    - printf 'FROM busybox\nRUN echo piped > /what\n' | docker build -t $CI_REGISTRY_IMAGE/piped -
    - docker push $CI_REGISTRY_IMAGE/piped
    - docker build -q -t local:only . > id
    - grep '^sha256:' id
    - export DIGEST=$(cat id)
    - buildctl build --frontend dockerfile.v0 --local context=. --local dockerfile=. --opt target=full --opt build-arg:WHO=buildctl --output type=image,name=$CI_REGISTRY_IMAGE:buildctl,push=true
uses:
  stage: release
  image: $CI_REGISTRY_IMAGE/all:one
  services: []
  script: [cat /all/data.txt, test ! -e /all/secret.txt]
`})
	r.push()
	run := r.succeeded()
	log := r.log("build")
	for _, want := range []string{"docker:27-dind is left out", "Login Succeeded", "both: digest: sha256:", api.RegistryHost + "/default/dockered@sha256:"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	pushed := jobOf(run, "build").Images
	if len(pushed) != 1 || pushed[0].Name != api.RegistryHost+"/default/dockered" || !strings.Contains(log, pushed[0].Digest) {
		t.Errorf("images of the job: %+v", pushed)
	}
	for name, want := range map[string]string{":latest": "built for docker", ":buildctl": "built for buildctl", "/piped:latest": "piped"} {
		pod := "dockered-" + regexp.MustCompile(`[^a-z]`).ReplaceAllString(name, "")
		applySleeper(t, pod, api.RegistryHost+"/default/dockered"+name)
		must(t, "kubectl", "wait", "--for=condition=Ready", "pod/"+pod, "--timeout=5m")
		if out := must(t, "kubectl", "exec", pod, "--", "cat", "/what"); !strings.Contains(out, want) {
			t.Errorf("%s says %q, want %q", name, out, want)
		}
	}
	if log := r.log("uses"); !strings.Contains(log, "from the context") {
		t.Errorf("the image that was built is not the one that ran:\n%s", log)
	}
}

// applySleeper runs an image with a command that stays.
func applySleeper(t *testing.T, name, image string) {
	t.Helper()
	r := &repo{t: t, dir: t.TempDir()}
	r.write(map[string]string{"pod.json": fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %q, "namespace": "default"}, "spec": {"terminationGracePeriodSeconds": 0,
		"containers": [{"name": "main", "image": %q, "command": ["sleep", "3600"]}]}}`, name, image)})
	must(t, "kubectl", "apply", "-f", r.dir+"/pod.json")
	cleanUp(t, "kubectl", "-n", "default", "delete", "pod", name)
}

// TestDockerRefusals: what fails or cannot be done says so, with the exit code of a failure.
func TestDockerRefusals(t *testing.T) {
	together(t)
	other := newRepo(t, "dockervictim", map[string]string{"Dockerfile": "FROM busybox\n"})
	other.push()
	other.succeeded()
	r := newRepo(t, "dockerfail", map[string]string{"Dockerfile": "FROM busybox\nRUN echo planted output; exit 7\n", "good/Dockerfile": "FROM busybox\n", ".gitlab-ci.yml": `
default: {image: busybox}
broken:
  script: [docker build -t $CI_REGISTRY_IMAGE:x .]
running:
  script: [docker run --rm busybox echo hello]
composed:
  script: [docker compose up -d]
foreign:
  script:
    - docker build -t $CI_REGISTRY/default/dockervictim:latest good
    - docker push $CI_REGISTRY/default/dockervictim:latest
verb:
  script: [slipway build --image dockervictim good]
tenant:
  script: [docker build -t $CI_REGISTRY/other/web:latest good, docker push $CI_REGISTRY/other/web:latest]
elsewhere:
  script: [docker build -t docker.io/library/busybox:latest good, docker push docker.io/library/busybox:latest]
system:
  script: [docker build -t $CI_REGISTRY/system/toolbox:latest good, docker push $CI_REGISTRY/system/toolbox:latest]
wrong:
  script: [docker login -u me -p wrong $CI_REGISTRY]
unbuilt:
  script: [docker push $CI_REGISTRY_IMAGE:never]
copied:
  script:
    - ln -s /etc/hosts good/leak
    - printf 'FROM busybox\nCOPY leak /leak\n' > good/Leaking
    - docker build -t $CI_REGISTRY_IMAGE:x -f good/Leaking good
linked:
  script: [ln -s /etc/hosts good/Linked, docker build -t $CI_REGISTRY_IMAGE:x -f good/Linked good]
token:
  script: [echo "token is $CI_JOB_TOKEN and $CI_REGISTRY_PASSWORD", exit 3]
`})
	r.push()
	run := r.finished()
	for job, wants := range map[string][]string{
		"broken":    {"planted output", "Dockerfile:2", "exit code: 7"},
		"running":   {"docker run: there is no Docker daemon", "`image`"},
		"composed":  {"docker compose: there is no Docker daemon", "`services`"},
		"foreign":   {"belongs to repository dockervictim", "$CI_REGISTRY_IMAGE"},
		"verb":      {"belongs to repository dockervictim"},
		"tenant":    {"jobs of namespace default push below"},
		"elsewhere": {"another registry is not pushed to"},
		"system":    {"jobs of namespace default push below"},
		"wrong":     {"unauthorized", "CI_REGISTRY_PASSWORD"},
		"unbuilt":   {"no such image in this job"},
		"copied":    {"leak"},
		"linked":    {"Linked"},
		"token":     {"token is [MASKED] and [MASKED]"},
	} {
		j, log := jobOf(run, job), r.log(job)
		want := int32(1)
		if job == "token" {
			want = 3
		}
		if j.Phase != api.Failed || j.ExitCode == nil || *j.ExitCode != want {
			t.Errorf("job %s is %s with exit code %v", job, j.Phase, j.ExitCode)
		}
		for _, w := range wants {
			if !strings.Contains(log, w) {
				t.Errorf("the log of %s lacks %q:\n%s", job, w, log)
			}
		}
	}
	token, _ := scoped(t, mustToken(t), "repository:default/dockervictim:pull")
	var tags struct{ Tags []string }
	if err := json.NewDecoder(registryCall(t, "GET", "/v2/default/dockervictim/tags/list", "Bearer", token).Body).Decode(&tags); err != nil {
		t.Fatal(err)
	}
	if commit := strings.TrimSpace(other.git("rev-parse", "HEAD"))[:12]; !slices.Equal(tags.Tags, []string{commit}) {
		t.Errorf("tags of another repository: %v, want %s alone", tags.Tags, commit)
	}
}
