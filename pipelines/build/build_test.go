package build

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/opencontainers/go-digest"
	"golang.org/x/crypto/nacl/sign"
)

func TestRequestRefusesWhatIsNoName(t *testing.T) {
	good := Request{Namespace: "default", Name: "shop/web", Tag: "v1.2_3", Context: &bytes.Buffer{}, Dockerfile: "build/Dockerfile", Platform: "linux/arm64/v8", Target: "final"}
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Request){
		"no context":       func(r *Request) { r.Context = nil },
		"namespace":        func(r *Request) { r.Namespace = "../other" },
		"namespace comma":  func(r *Request) { r.Namespace = "a,b" },
		"name leaves":      func(r *Request) { r.Name = "../other/x" },
		"two names":        func(r *Request) { r.Name = "x,evil.example/y" },
		"name upper":       func(r *Request) { r.Name = "X" },
		"name with tag":    func(r *Request) { r.Name = "x:y" },
		"tag":              func(r *Request) { r.Tag = "a,name=b" },
		"tag dash":         func(r *Request) { r.Tag = "-a" },
		"dockerfile":       func(r *Request) { r.Dockerfile = "../Dockerfile" },
		"dockerfile root":  func(r *Request) { r.Dockerfile = "/etc/passwd" },
		"dockerfile NUL":   func(r *Request) { r.Dockerfile = "a\x00" },
		"platform":         func(r *Request) { r.Platform = "linux" },
		"target":           func(r *Request) { r.Target = "a b" },
		"argument":         func(r *Request) { r.BuildArgs = map[string]string{"a b": ""} },
		"reserved":         func(r *Request) { r.BuildArgs = map[string]string{"BUILDKIT_SYNTAX": "evil/frontend"} },
		"reserved, folded": func(r *Request) { r.BuildArgs = map[string]string{"BuildKit_cache_mount_ns": "other"} },
	} {
		r := good
		change(&r)
		if err := r.validate(); err == nil {
			t.Errorf("%s: %+v was accepted", name, r)
		}
	}
}

func TestFrontendIsFixed(t *testing.T) {
	r := Request{Namespace: "default", Name: "x", Context: &bytes.Buffer{}, BuildArgs: map[string]string{"VERSION": "1"}}
	if err := r.validate(); err != nil {
		t.Fatal(err)
	}
	attrs := r.frontendAttrs()
	if attrs["cmdline"] == "" || attrs["build-arg:BUILDKIT_CACHE_MOUNT_NS"] != "tenant-default" || attrs["build-arg:VERSION"] != "1" || attrs["filename"] != "Dockerfile" {
		t.Errorf("%v", attrs)
	}
}

func TestSourcePolicy(t *testing.T) {
	for source, allowed := range map[string]bool{
		"docker-image://docker.io/library/node:22": true, "local://context": true,
		"docker-image://registry.slipway.internal/default/x@sha256:00": true,
		"git://github.com/x/y.git":                                     false, "https://example.com/x": false, "http://169.254.169.254/": false,
		"oci-layout://x": false, "docker-image://docker.io/docker/dockerfile:1": false, "blob://x": false, "": false,
	} {
		got := true
		for _, r := range sourcePolicy().Rules {
			if regexp.MustCompile(r.Selector.Identifier).MatchString(source) {
				got = r.Action == spb.PolicyAction_ALLOW
			}
		}
		if got != allowed {
			t.Errorf("%q: allowed %v", source, got)
		}
	}
}

func TestFailureShowsLineAndOutput(t *testing.T) {
	d := newDisplay(&bytes.Buffer{})
	step := digest.FromString("step")
	d.note(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: step, Data: []byte("npm ERR! missing script: build\n")}}})
	now := time.Now()
	d.note(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: step, Completed: &now, Error: "exit code: 3"}}})
	err := errdefs.WithSource(errors.New(`process "/bin/sh -c npm run build" did not complete successfully: exit code: 3`), &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM node:22\nRUN npm run build\nCMD x\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}},
	})
	var out bytes.Buffer
	got := explain(err, Request{Dockerfile: "web/Dockerfile"}, d, &out)
	var f *Failure
	if !errors.As(got, &f) || f.Line != 2 || f.File != "web/Dockerfile" || f.Output != "npm ERR! missing script: build" {
		t.Fatalf("%+v", got)
	}
	for _, want := range []string{">>> RUN npm run build", "web/Dockerfile:2: ", "exit code: 3"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q lacks %q", out.String(), want)
		}
	}
}

// The credential goes to the registry's own token endpoint and nowhere else.
func TestCredentialStaysWithItsHost(t *testing.T) {
	var passwords []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, p, _ := r.BasicAuth()
		passwords = append(passwords, p)
		if r.URL.Query().Get("scope") == "redirect" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(`{"token":"short","expires_in":300}`))
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	ctx, a := context.Background(), newAuth("secret", host)
	got, err := a.FetchToken(ctx, &auth.FetchTokenRequest{Host: host, Realm: s.URL + "/registry/token", Scopes: []string{"repository:default/x:pull"}})
	if err != nil || got.Token != "short" || got.ExpiresIn != 300 {
		t.Fatalf("%v, %v", got, err)
	}
	for _, r := range []*auth.FetchTokenRequest{
		{Host: "evil.example", Realm: s.URL}, {Host: host, Realm: "https://evil.example/token"}, {Host: host, Realm: s.URL, Scopes: []string{"redirect"}},
	} {
		if _, err := a.FetchToken(ctx, r); err == nil {
			t.Errorf("a token for %+v", r)
		}
	}
	if len(passwords) != 2 || passwords[0] != "secret" {
		t.Errorf("asked with %q", passwords)
	}
	if c, _ := a.Credentials(ctx, &auth.CredentialsRequest{Host: host}); c.Secret != "" || c.Username != "" {
		t.Error("the daemon got the credential itself")
	}
}

func TestOnlyEqualCredentialsShareTokens(t *testing.T) {
	ctx, salt, host := context.Background(), []byte("salt"), "127.0.0.1:8080"
	one, _ := newAuth("one", host).GetTokenAuthority(ctx, &auth.GetTokenAuthorityRequest{Host: host, Salt: salt})
	for token, same := range map[string]bool{"one": true, "two": false} {
		signed, err := newAuth(token, host).VerifyTokenAuthority(ctx, &auth.VerifyTokenAuthorityRequest{Host: host, Salt: salt, Payload: []byte("p")})
		if err != nil {
			t.Fatal(err)
		}
		key := [32]byte(one.PublicKey)
		if _, ok := sign.Open(nil, signed.Signed, &key); ok != same {
			t.Errorf("%s: %v", token, ok)
		}
	}
}

func TestDaemonThatIsNotThere(t *testing.T) {
	b := New(Options{Address: "unix://" + t.TempDir() + "/none.sock"})
	defer b.Close()
	_, err := b.Build(context.Background(), Request{Namespace: "default", Name: "x", Context: archive(t, file("Dockerfile", 1))}, nil)
	if err == nil || !strings.Contains(err.Error(), "buildkit does not answer") {
		t.Error(err)
	}
}
