package e2e

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// succeeded waits for the newest run and fails the test with its logs unless it succeeded.
func (r *repo) succeeded() *api.Run {
	r.t.Helper()
	run := r.finished()
	if run.Status.Phase != api.Succeeded {
		for _, j := range run.Status.Jobs {
			if j.Attempt > 0 && j.Phase != api.Succeeded {
				r.t.Logf("job %s is %s: %s\n%s", j.Name, j.Phase, j.Message, r.log(j.Name))
			}
		}
		r.t.Fatalf("run %s is %s: %s %+v\n%s", run.Name, run.Status.Phase, run.Status.Message, run.Status.Problems, serverLog(20))
	}
	return run
}

// get asks the API for something of a job of the newest run.
func (r *repo) get(job, what string) (int, http.Header, []byte) {
	r.t.Helper()
	token, err := user.Token()
	if err != nil {
		r.t.Fatal(err)
	}
	url := fmt.Sprintf("%s/api/v1/namespaces/default/runs/%s/jobs/%s/%s", user.Server, r.run(), job, what)
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, res.Header, body
}

// archive lists the files that a job kept.
func (r *repo) archive(job string) map[string]string {
	r.t.Helper()
	code, _, body := r.get(job, "artifacts")
	if code != http.StatusOK {
		r.t.Fatalf("artifacts of %s: %d %s", job, code, body)
	}
	files, err := unzip(bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	return files
}

// unzip into contents by name.
func unzip(r io.Reader) (map[string]string, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	zr, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, f := range zr.File {
		rc, err := f.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(rc)
		rc.Close()
		if err != nil {
			return nil, err
		}
		files[f.Name] = string(data)
	}
	return files, nil
}

// TestCheckout: what a job finds in its directory is what git makes.
func TestCheckout(t *testing.T) {
	together(t)
	r := newRepo(t, "checkout", map[string]string{"dir/run.sh": "#!/bin/sh\necho ran\n", ".gitlab-ci.yml": `
default: {image: busybox}
look:
  script:
    - cat .git/HEAD .git/config
    - ls -ld . dir dir/run.sh
    - ./dir/run.sh
    - cp -a .git saved
  artifacts: {paths: [saved, dir, link, .gitlab-ci.yml]}
deep:
  variables: {GIT_DEPTH: "0"}
  script: ["! test -e .git/shallow", "cp -a .git saved"]
  artifacts: {paths: [saved]}
none:
  variables: {GIT_STRATEGY: none}
  script: ["! test -e .git", "! test -e dir"]
bare:
  variables: {GIT_CHECKOUT: "false"}
  script: ["test -e .git/HEAD", "! test -e dir"]
elsewhere:
  variables: {GIT_CLONE_PATH: $CI_BUILDS_DIR/other/place}
  script: ['test "$PWD" = /builds/other/place', 'test "$CI_PROJECT_DIR" = "$PWD"', test -e dir/run.sh]
`})
	if err := os.Chmod(filepath.Join(r.dir, "dir/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("dir/run.sh", filepath.Join(r.dir, "link")); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		r.write(map[string]string{"n": fmt.Sprint(i)})
		r.commit()
	}
	r.git("tag", "-a", "-m", "v", "v1", "HEAD~2")
	r.git("push", r.url(), "v1")
	r.seq++
	r.push()
	r.succeeded()
	head := strings.TrimSpace(r.git("rev-parse", "HEAD"))
	log := r.log("look")
	for _, want := range []string{head, "/git/default/checkout.git", "drwxrwxrwx", "-rwxrwxrwx", "ran", "section_start:", "section_end:"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	for job, count := range map[string]string{"look": "20", "deep": "31"} {
		dir := t.TempDir()
		for name, data := range r.archive(job) {
			name, inside := strings.CutPrefix(name, "saved/")
			if inside {
				name = ".git/" + name
			}
			p := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "/") {
				if err := os.MkdirAll(p, 0o755); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err := os.WriteFile(p, []byte(data), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range []string{".git/refs/heads", ".git/objects/info"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for args, want := range map[string]string{
			"fsck --strict": "", "rev-parse HEAD": head, "rev-list --count HEAD": count, "describe --tags": "v1-3-g" + head[:7],
			"branch --show-current": "", "rev-parse origin/main": head,
		} {
			clone := &repo{t: t, dir: dir}
			if got := strings.TrimSpace(clone.git(strings.Fields(args)...)); got != want && want != "" {
				t.Errorf("%s: git %s: %q, want %q", job, args, got, want)
			}
		}
	}
}
