package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	api "slipway.dev/cluster/api/v1alpha1"
)

// gitImage seeds an image with busybox and this machine's git, and what both need.
func gitImage(t *testing.T) string {
	t.Helper()
	const image = "e2e-git:1"
	libexec, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{} // in the image, from
	program := func(file string) {
		if real, err := filepath.EvalSymlinks(file); err == nil {
			files[file] = real
		}
		out, err := exec.Command("ldd", file).Output()
		if err != nil {
			return // static
		}
		for _, word := range strings.Fields(string(out)) {
			if real, err := filepath.EvalSymlinks(word); err == nil && filepath.IsAbs(word) {
				files[word] = real
			}
		}
	}
	core := strings.TrimSpace(string(libexec))
	for _, p := range []string{"git", "git-remote-http", "git-remote-https", "git-submodule", "git-sh-setup", "git-sh-i18n"} {
		program(filepath.Join(core, p))
	}
	program("/usr/bin/git")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	files["/bin/busybox"] = busybox
	programs, links := map[string][]byte{}, map[string]string{}
	for to, from := range files {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		programs[strings.TrimPrefix(to, "/")] = data
	}
	for _, applet := range []string{"sh", "cat", "echo", "grep", "test", "sed", "ls", "wc", "basename", "dirname", "expr"} {
		links["bin/"+applet] = "busybox"
	}
	made := layered(t, v1.Config{}, programs, links)
	file := filepath.Join(t.TempDir(), "git.tar")
	if err := tarball.WriteToFile(file, name.MustParseReference(image), made); err != nil {
		t.Fatal(err)
	}
	must(t, "image", "seed", image, file)
	return image
}

// TestJobsReadTheirRepository with git and the token of the attempt, with submodules that
// let them, and nothing else.
func TestJobsReadTheirRepository(t *testing.T) {
	together(t)
	image := gitImage(t)
	lib := newRepo(t, "jobgit-lib", map[string]string{"lib.txt": "of lib\n"})
	secret := newRepo(t, "jobgit-secret", map[string]string{"secret.txt": "planted"})
	for _, r := range []*repo{lib, secret} {
		r.push()
	}
	must(t, "kubectl", "patch", "repository", lib.name, "--type", "merge", "-p", `{"spec":{"readableByJobs":["jobgit"]}}`)

	r := newRepo(t, "jobgit", map[string]string{"README": "one\n"})
	r.push()
	r.finished()
	r.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", lib.dir, "libs/lib")
	r.git("submodule", "set-url", "libs/lib", "../jobgit-lib.git")
	r.write(map[string]string{".gitlab-ci.yml": `
default: {image: ` + image + `}
variables: {GIT_DEPTH: "1"}
history:
  script:
    - test "$(git rev-list --count HEAD)" = 1
    - git fetch --quiet --unshallow
    - test "$(git rev-list --count HEAD)" = 2
    - git fetch --quiet origin main
    - echo "history is here"
clone:
  script:
    - git clone --quiet "$CI_REPOSITORY_URL" /tmp/again
    - cat /tmp/again/README
    - git clone --quiet "https://gitlab-ci-token:$CI_JOB_TOKEN@${CI_REPOSITORY_URL#*@}" /tmp/twice
others:
  script:
    - server=${CI_REPOSITORY_URL%/git/*}
    - git clone --quiet "$server/git/default/jobgit-lib.git" /tmp/lib && cat /tmp/lib/lib.txt
    - if git clone --quiet "$server/git/default/jobgit-secret.git" /tmp/secret; then exit 7; fi
    - if git push --quiet "$CI_REPOSITORY_URL" HEAD:refs/heads/mine; then exit 8; fi
    - echo "and nothing else"
modules:
  variables: {GIT_SUBMODULE_STRATEGY: recursive}
  script:
    - cat libs/lib/lib.txt
    - git submodule status
    - test -z "$(git status --porcelain)"
    - git -C libs/lib fetch --quiet origin main
    - git submodule --quiet foreach 'echo "in $name"'
without:
  script: [ls libs/lib, 'test -z "$(ls libs/lib)"']
`})
	r.push()
	r.succeeded()
	for job, want := range map[string]string{"history": "history is here", "clone": "one", "others": "and nothing else", "modules": "in libs/lib"} {
		log := r.log(job)
		if !strings.Contains(log, want) || strings.Contains(log, "planted") {
			t.Errorf("job %s printed\n%s", job, log)
		}
		if job == "modules" && !strings.Contains(log, "of lib") {
			t.Errorf("job %s printed\n%s", job, log)
		}
	}

	// A submodule that cannot be had is told before anything starts.
	r.git("submodule", "set-url", "libs/lib", "https://elsewhere.example/lib.git")
	r.push()
	if run := r.finished(); run.Status.Phase != api.Failed || len(run.Status.Problems) != 1 || !strings.Contains(run.Status.Problems[0].Message, "libs/lib") ||
		!strings.Contains(run.Status.Problems[0].Hint, "slipway repo add") || len(run.Status.Jobs) != 0 {
		t.Errorf("%+v", run.Status)
	}
}
