package jobapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi/wire"
)

// dockerWorld is one attempt of repository shop; victim is another repository.
type dockerWorld struct {
	Jobs
	gone   bool
	pushed []v1alpha1.Image
	built  []BuildRequest
	copied []string
}

func (w *dockerWorld) Job(context.Context, Ref) (*Job, error) {
	if w.gone {
		return nil, ErrGone
	}
	return &Job{Repository: "shop"}, nil
}

func (w *dockerWorld) Known(_ context.Context, _, name string) (bool, error) {
	return name == "victim" || name == "shop", nil
}

func (w *dockerWorld) Pushed(_ context.Context, _ Ref, i v1alpha1.Image) error {
	w.pushed = append(w.pushed, i)
	return nil
}

func (w *dockerWorld) Build(_ context.Context, r BuildRequest, progress io.Writer) (v1alpha1.Image, error) {
	w.built = append(w.built, r)
	_, err := io.WriteString(progress, "#1 building\n")
	return v1alpha1.Image{Name: r.Name, Digest: "sha256:1"}, err
}

func (w *dockerWorld) ImageInfo(context.Context, string, string) (ImageInfo, error) {
	return ImageInfo{}, nil
}

func (w *dockerWorld) Describe(_ context.Context, _, image string) (wire.DockerImage, error) {
	return wire.DockerImage{Digest: image[strings.IndexByte(image, '@')+1:]}, nil
}

func (w *dockerWorld) Copy(_ context.Context, _, image, repository, tag string) (wire.DockerImage, error) {
	w.copied = append(w.copied, image+" "+repository+":"+tag)
	return wire.DockerImage{Digest: "sha256:1"}, nil
}

func (w *dockerWorld) Login(_ context.Context, _, password string) error {
	if password != "of-a-person" {
		return errors.New("no")
	}
	return nil
}

// ask the API and return the status and the last event.
func (w *dockerWorld) ask(t *testing.T, token, path, body string) (int, wire.Event) {
	t.Helper()
	s := &Server{Tokens: tokens(t), Jobs: w, Builder: w, Images: w, Log: slog.New(slog.DiscardHandler)}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/jobs/default/shop-1/a/1"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	var last wire.Event
	for lines := bufio.NewScanner(bytes.NewReader(rec.Body.Bytes())); lines.Scan(); {
		last = wire.Event{}
		_ = json.Unmarshal(lines.Bytes(), &last)
	}
	return rec.Code, last
}

func own(t *testing.T) string {
	return tokens(t).Issue(Ref{Namespace: "default", Run: "shop-1", Job: "a", Attempt: 1}, time.Now().Add(time.Minute))
}

func TestJobsPushWhatIsTheirsOnly(t *testing.T) {
	for name, want := range map[string]string{
		"registry.slipway.internal/default/shop":              "",
		"registry.slipway.internal/default/shop/web":          "",
		"registry.slipway.internal/default/tools":             "",
		"registry.slipway.internal/default/victim":            "belongs to repository victim",
		"registry.slipway.internal/default/victim/web":        "belongs to repository victim",
		"registry.slipway.internal/other/shop":                "push below",
		"registry.slipway.internal/system/toolbox":            "push below",
		"registry.slipway.internal/docker.io/library/busybox": "push below",
		"registry.slipway.internal/slipway__artifacts/x":      "push below",
		"registry.slipway.internal/default/shop/slipway-jobs": "not pushed yet",
		"docker.io/library/busybox":                           "another registry",
		"registry.slipway.internal.example.com/default/shop":  "another registry",
		"registry.slipway.internal":                           "push below",
		"registry.slipway.internal/defaultvictim/shop":        "push below",
	} {
		w := &dockerWorld{}
		body, err := json.Marshal(wire.DockerPush{Source: "default/shop/slipway-jobs", Digest: "sha256:1", Name: name, Tag: "1"})
		if err != nil {
			t.Fatal(err)
		}
		_, e := w.ask(t, own(t), "/docker/push", string(body))
		if (e.Error == "") != (want == "") || !strings.Contains(e.Error, want) {
			t.Errorf("%s: %q, want %q", name, e.Error, want)
		}
		if want != "" && (w.copied != nil || w.pushed != nil) {
			t.Errorf("%s: refused, and %v %v", name, w.copied, w.pushed)
		}
	}
	for _, source := range []string{"default/victim/slipway-jobs", "default/victim", "other/shop/slipway-jobs", ""} {
		w := &dockerWorld{}
		body, err := json.Marshal(wire.DockerPush{Source: source, Digest: "sha256:1", Name: "registry.slipway.internal/default/shop", Tag: "1"})
		if err != nil {
			t.Fatal(err)
		}
		if _, e := w.ask(t, own(t), "/docker/push", string(body)); !strings.Contains(e.Error, "not built or pulled by a job") || w.copied != nil {
			t.Errorf("source %q: %q %v", source, e.Error, w.copied)
		}
	}
}

func TestDockerBuildGoesWhereNobodyElseLooks(t *testing.T) {
	w := &dockerWorld{}
	_, e := w.ask(t, own(t), "/docker/build", `{"dockerfile":"Dockerfile","args":{"A":"b"}}`+"\ncontext")
	if e.Error != "" || e.Docker == nil || e.Docker.Source != "default/shop/slipway-jobs" || len(w.pushed) != 0 {
		t.Fatalf("%+v %v", e, w.pushed)
	}
	w.ask(t, own(t), "/docker/build", "{}\n")
	if b := w.built; b[0].Name != "shop/slipway-jobs" || b[0].Namespace != "default" || b[0].Tag == b[1].Tag || b[0].Args["A"] != "b" {
		t.Errorf("%+v", b)
	}
	for _, bad := range []string{"", "no line", "[]\n", strings.Repeat(" ", wire.MaxDockerOptions+1) + "{}\n"} {
		if _, e := w.ask(t, own(t), "/docker/build", bad); e.Error == "" || len(w.built) != 2 {
			t.Errorf("options %.20q were taken", bad)
		}
	}
}

func TestTokenOfAnAttemptEndsWithIt(t *testing.T) {
	w := &dockerWorld{}
	login := func(password string) int {
		code, _ := w.ask(t, own(t), "/docker/login", `{"user":"x","password":"`+password+`"}`)
		return code
	}
	other := tokens(t).Issue(Ref{Namespace: "default", Run: "shop-1", Job: "b", Attempt: 1}, time.Now().Add(time.Minute))
	for password, want := range map[string]int{own(t): 204, "of-a-person": 204, "wrong": 403, "": 403, other: 403} {
		if code := login(password); code != want {
			t.Errorf("login with %.20q: %d, want %d", password, code, want)
		}
	}
	if code, _ := w.ask(t, other, "/docker/push", "{}"); code != http.StatusUnauthorized {
		t.Errorf("the token of another job: %d", code)
	}
	w.gone = true
	for _, path := range []string{"/docker/login", "/docker/build", "/docker/push", "/docker/pull"} {
		if code, _ := w.ask(t, own(t), path, "{}\n"); code != http.StatusGone && code != http.StatusNotFound && code != http.StatusUnauthorized {
			t.Errorf("%s after the attempt's end: %d", path, code)
		}
	}
}
