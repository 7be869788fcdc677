package docker

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/pipelines/engine/runner/runjob"
	"slipway.dev/pipelines/jobapi/wire"
)

// world is a job's directory and a server that answers as jobapi does.
type world struct {
	*testing.T
	tool
	stdin, stdout, stderr bytes.Buffer
	builds                []wire.DockerBuild
	files                 map[string]string
	pushes                []wire.DockerPush
	refuse                string
}

const built = "sha256:" + digest

func newWorld(t *testing.T) *world {
	w := &world{T: t}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	t.Chdir(t.TempDir())
	c := &runjob.Client{URL: srv.URL, Token: "job-token", HTTP: srv.Client(), Patience: time.Second}
	w.tool = tool{
		env: environment, client: func() (*runjob.Client, error) { return c, nil },
		store: &store{file: filepath.Join(t.TempDir(), "docker.json")}, in: &w.stdin, out: &w.stdout, errOut: &w.stderr, configDir: filepath.Join(t.TempDir(), "config"),
	}
	return w
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	image := &wire.DockerImage{Source: "default/shop/slipway-jobs", Digest: built, Config: "sha256:c", Details: json.RawMessage(`{"User":"app"}`)}
	switch r.URL.Path {
	case "/docker/login":
		var l wire.DockerLogin
		if err := json.NewDecoder(r.Body).Decode(&l); err != nil || l.Password != "job-token" {
			http.Error(rw, `{"error":"unauthorized"}`, http.StatusForbidden)
			return
		}
		rw.WriteHeader(http.StatusNoContent)
		return
	case "/docker/build":
		body := bufio.NewReader(r.Body)
		line, _ := body.ReadBytes('\n')
		var b wire.DockerBuild
		if err := json.Unmarshal(line, &b); err != nil {
			w.Error(err)
		}
		w.builds, w.files = append(w.builds, b), untar(w.T, body)
		_ = json.NewEncoder(rw).Encode(wire.Event{Log: "#1 building\n"})
	case "/docker/push":
		var p wire.DockerPush
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			w.Error(err)
		}
		w.pushes = append(w.pushes, p)
	}
	e := wire.Event{Done: true, Error: w.refuse}
	if w.refuse == "" {
		e.Docker = image
	}
	_ = json.NewEncoder(rw).Encode(e)
}

func untar(t *testing.T, r io.Reader) map[string]string {
	gz, err := gzip.NewReader(r)
	if err != nil {
		t.Error(err)
		return nil
	}
	files := map[string]string{}
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Error(err)
			return files
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Error(err)
		}
		files[strings.TrimSuffix(h.Name, "/")] = string(data) + h.Linkname
	}
}

// do runs a command line and checks its exit code; it returns all that was printed.
func (w *world) do(code int, line string) string {
	w.Helper()
	w.stdout.Reset()
	w.stderr.Reset()
	name, args, _ := strings.Cut(line, " ")
	if got := w.run(w.Context(), name, strings.Fields(args)); got != code {
		w.Errorf("%s: exit code %d, want %d: %s", line, got, code, w.stderr.String())
	}
	return w.stdout.String() + w.stderr.String()
}

func (w *world) write(name, text string) {
	w.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

func TestBuildTagPush(t *testing.T) {
	w := newWorld(t)
	w.write("Dockerfile", "FROM busybox\n")
	w.write("dir/file", "text")
	if err := os.Symlink("/etc/passwd", "outside"); err != nil {
		t.Fatal(err)
	}
	name := wire.Registry + "/default/shop"
	if out := w.do(0, "docker build -t "+name+":1 -t local ."); !strings.Contains(out, "#1 building") || !strings.Contains(out, "Built "+name+":1") {
		t.Errorf("output %q", out)
	}
	// A link is sent as a link: what it points to in the job stays there.
	if w.files["dir/file"] != "text" || w.files["outside"] != "/etc/passwd" || w.builds[0].Dockerfile != "Dockerfile" {
		t.Errorf("files %v, build %+v", w.files, w.builds[0])
	}
	w.do(0, "docker tag local:latest "+name+":2")
	if out := w.do(0, "docker push "+name+":2"); !strings.Contains(out, "2: digest: "+built) {
		t.Errorf("push says %q", out)
	}
	if p := w.pushes[0]; p.Name != name || p.Tag != "2" || p.Digest != built || p.Source != "default/shop/slipway-jobs" {
		t.Errorf("pushed %+v", p)
	}
	w.do(0, "docker push --all-tags "+name)
	if len(w.pushes) != 3 {
		t.Errorf("all tags are %d pushes, want 2", len(w.pushes)-1)
	}
	if out := w.do(0, "docker inspect -f {{.Config.User}}|{{.RepoDigests}} "+name+":2"); strings.TrimSpace(out) != "app|["+name+"@"+built+"]" {
		t.Errorf("inspect says %q", out)
	}
	if out := w.do(0, "docker images -q"); strings.Count(out, digest[:12]) != 3 {
		t.Errorf("images are %q", out)
	}
	w.do(0, "docker rmi "+name+":2")
	w.do(1, "docker push "+name+":2")
}

func TestDockerfileElsewhere(t *testing.T) {
	w := newWorld(t)
	w.write("context/a", "a")
	w.write("apart/Containerfile", "FROM apart\n")
	w.do(1, "docker build context")
	w.do(0, "docker build -f apart/Containerfile context")
	if b := w.builds[0]; string(b.DockerfileText) != "FROM apart\n" || w.files["a"] != "a" || len(w.files) != 1 {
		t.Errorf("%+v %v", b, w.files)
	}
	w.stdin.WriteString("FROM piped\n")
	w.do(0, "docker build -t a -")
	if b := w.builds[1]; string(b.DockerfileText) != "FROM piped\n" || len(w.files) != 0 {
		t.Errorf("%+v %v", b, w.files)
	}
	if out := w.do(0, "docker build -q -f apart/Containerfile context"); strings.TrimSpace(out) != built {
		t.Errorf("a quiet build says %q", out)
	}
	w.do(0, "buildctl --addr tcp://x build --frontend dockerfile.v0 --local context=apart --opt filename=Containerfile --output type=image,name="+wire.Registry+"/default/shop,push=true")
	if b := w.builds[3]; b.Dockerfile != "Containerfile" || len(w.pushes) != 1 {
		t.Errorf("%+v %v", b, w.pushes)
	}
}

func TestFailedBuildIsRememberedByNoName(t *testing.T) {
	w := newWorld(t)
	w.write("Dockerfile", "FROM busybox\n")
	w.refuse = "Dockerfile:2: exit code: 7"
	if out := w.do(1, "docker build -q -t a ."); !strings.Contains(out, "Dockerfile:2") || !strings.Contains(out, "#1 building") {
		t.Errorf("output %q", out)
	}
	if out := w.do(1, "docker push a"); !strings.Contains(out, "no such image in this job") {
		t.Errorf("output %q", out)
	}
}

func TestLogin(t *testing.T) {
	w := newWorld(t)
	if out := w.do(0, "docker login -u gitlab-ci-token -p job-token "+wire.Registry); !strings.Contains(out, "Login Succeeded") {
		t.Errorf("output %q", out)
	}
	w.stdin.WriteString("job-token\n")
	w.do(0, "docker login --username x --password-stdin https://"+wire.Registry+"/v2/")
	w.do(1, "docker login -u x -p wrong "+wire.Registry)
	w.do(1, "docker login "+wire.Registry)
	if out := w.do(0, "docker login -u me -p theirs"); !strings.Contains(out, "not checked") {
		t.Errorf("another registry: %q", out)
	}
	file := filepath.Join(w.configDir, "config.json")
	data, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(data), base64.StdEncoding.EncodeToString([]byte("x:job-token"))) || !strings.Contains(string(data), hub) {
		t.Errorf("%s, err %v", data, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, err %v", info.Mode(), err)
	}
	w.do(0, "docker logout "+wire.Registry)
	if data, err := os.ReadFile(file); err != nil || strings.Contains(string(data), wire.Registry) {
		t.Errorf("after the logout: %s, err %v", data, err)
	}
}

func TestWhatNeedsADaemon(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]string{
		"docker run --rm alpine ls": "`image`", "docker compose up": "`services`", "docker exec a ls": "service", "docker save a": "push the image",
		"docker swarm init": "there is no Docker daemon", "docker image import x": "there is no Docker daemon", "docker buildx bake": "once for each target",
		"docker container ls": "there is no Docker daemon", "buildctl dial-stdio": "buildctl dial-stdio",
		"docker start a": "there is no Docker daemon", "docker load -i a.tar": "push the image",
	} {
		if out := w.do(1, line); !strings.Contains(out, want) {
			t.Errorf("%s: %q, want %q", line, out, want)
		}
	}
	for _, line := range []string{"docker version", "docker info", "docker buildx version", "docker buildx create --use --driver docker-container", "docker system prune -af", "docker -v", "docker", "docker help build", "buildctl --version"} {
		w.do(0, line)
	}
}

func TestDaemonsElsewhere(t *testing.T) {
	for host, want := range map[string]bool{
		"": false, "unix:///var/run/docker.sock": false, "tcp://docker:2375": false, "tcp://localhost:2375": false, "tcp://mydind:2376": false,
		"tcp://builder.example.com:2376": true, "ssh://me@host": true,
	} {
		if got := remoteDaemon(host, "mydind docker__dind"); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
