package commitstatus

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestDescriptions(t *testing.T) {
	begun := metav1.NewMicroTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	ended := metav1.NewMicroTime(begun.Add(12*time.Second + 400*time.Millisecond))
	code := int32(3)
	job := func(name string, phase v1alpha1.Phase) v1alpha1.JobStatus {
		return v1alpha1.JobStatus{Name: name, Stage: "test", Phase: phase}
	}
	failed := job("unit", v1alpha1.Failed)
	failed.ExitCode, failed.Message = &code, "a message with an inner name"
	allowed := job("lint", v1alpha1.Failed)
	allowed.AllowFailure = true
	lost := job("far", v1alpha1.Failed)
	lost.Reason = "image"
	for _, c := range []struct {
		st    v1alpha1.RunStatus
		state State
		text  string
	}{
		{v1alpha1.RunStatus{}, Queued, "queued"},
		{v1alpha1.RunStatus{Phase: v1alpha1.Pending}, Queued, "queued"},
		{v1alpha1.RunStatus{Phase: v1alpha1.Running}, Running, "running"},
		{v1alpha1.RunStatus{Phase: v1alpha1.Succeeded, Jobs: []v1alpha1.JobStatus{job("a", v1alpha1.Succeeded)}, Coverage: "81.50"}, Succeeded, "passed in 12s, coverage 81.50 %"},
		{v1alpha1.RunStatus{Phase: v1alpha1.Succeeded, Message: "nothing to do: the repository is empty"}, Succeeded, "nothing to do: the repository is empty"},
		{v1alpha1.RunStatus{Phase: v1alpha1.Canceled, Message: "superseded by run shop-3"}, Canceled, "canceled after 12s: superseded by run shop-3"},
		{v1alpha1.RunStatus{Phase: v1alpha1.Failed, Jobs: []v1alpha1.JobStatus{allowed, failed, lost}}, Failed, "job unit of stage test failed after 12s (exit code 3), and 1 more"},
		{v1alpha1.RunStatus{Phase: v1alpha1.Failed, Jobs: []v1alpha1.JobStatus{lost}}, Failed, "job far of stage test failed after 12s (image)"},
		{v1alpha1.RunStatus{Phase: v1alpha1.Failed, Problems: []v1alpha1.Problem{{File: ".gitlab-ci.yml", Line: 3, Message: "unknown key"}, {}}}, Refused, "pipeline file refused: .gitlab-ci.yml:3: unknown key (and 1 more)"},
		{v1alpha1.RunStatus{Phase: v1alpha1.Failed, Jobs: []v1alpha1.JobStatus{job(strings.Repeat("ü\n", 200), v1alpha1.Failed)}}, Failed, "job " + strings.Repeat("ü ", 67) + "ü…"},
	} {
		c.st.StartedAt, c.st.FinishedAt = &begun, &ended
		got := Of(&v1alpha1.Run{Status: c.st}, &v1alpha1.Forge{}, "https://s")
		if got.State != c.state || got.Description != c.text {
			t.Errorf("%s %q, want %s %q", got.State, got.Description, c.state, c.text)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		url   string
		forge v1alpha1.Forge
		want  string // or a part of the error, after "!"
	}{
		{"https://github.com/acme/shop.git", v1alpha1.Forge{}, "github https://api.github.com acme/shop"},
		{"ssh://git@ssh.github.com:443/acme/shop.git", v1alpha1.Forge{}, "github https://api.github.com acme/shop"},
		{"https://gitlab.com/group/sub/shop", v1alpha1.Forge{}, "gitlab https://gitlab.com/api/v4 group/sub/shop"},
		{"ssh://git@codeberg.org/acme/shop.git", v1alpha1.Forge{}, "gitea https://codeberg.org/api/v1 acme/shop"},
		{"https://git.example:8443/acme/shop", v1alpha1.Forge{Kind: GitHub}, "github https://git.example:8443/api/v3 acme/shop"},
		{"ssh://git@git.example:2222/acme/shop", v1alpha1.Forge{Kind: GitLab}, "gitlab https://git.example/api/v4 acme/shop"},
		{"https://git.example/gitlab/acme/shop", v1alpha1.Forge{Kind: GitLab, API: "https://git.example/gitlab/api/v4/", Project: "acme/shop"}, "gitlab https://git.example/gitlab/api/v4 acme/shop"},
		{"", v1alpha1.Forge{Kind: Gitea, API: "http://127.0.0.1:3000/api/v1", Project: "a/b"}, "gitea http://127.0.0.1:3000/api/v1 a/b"},
		{"https://bitbucket.org/acme/shop.git", v1alpha1.Forge{}, "bitbucket https://api.bitbucket.org/2.0 acme/shop"},
		{"ssh://git@altssh.bitbucket.org:443/acme/shop.git", v1alpha1.Forge{}, "bitbucket https://api.bitbucket.org/2.0 acme/shop"},
		{"https://git.example:7990/scm/ACME/shop.git", v1alpha1.Forge{Kind: Bitbucket}, "bitbucket https://git.example:7990/rest/api/latest ACME/shop"},
		{"ssh://git@git.example:7999/~ann/shop.git", v1alpha1.Forge{Kind: Bitbucket}, "bitbucket https://git.example/rest/api/latest ~ann/shop"},
		{"https://git.example/acme/shop", v1alpha1.Forge{}, "!spec.forge.kind"},
		{"http://git.example/acme/shop", v1alpha1.Forge{Kind: Gitea}, "!plain http"},
		{"https://github.com/shop", v1alpha1.Forge{}, "!owner/name"},
		{"https://github.com/a/../b", v1alpha1.Forge{}, "!owner/name"},
		{"https://gitlab.com/a/..", v1alpha1.Forge{}, "!owner/name"},
		{"", v1alpha1.Forge{Kind: Gitea, Project: "a/b"}, "!spec.forge.api"},
		{"https://github.com/a/b", v1alpha1.Forge{API: "https://user:pw@evil.example"}, "!spec.forge.api"},
		{"https://github.com/a/b", v1alpha1.Forge{API: "file:///etc/passwd"}, "!spec.forge.api"},
	} {
		got, err := TargetOf(&v1alpha1.Repository{Spec: v1alpha1.RepositorySpec{URL: c.url, Forge: &c.forge}})
		if part, bad := strings.CutPrefix(c.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s %+v: %v, want %s", c.url, c.forge, err, part)
			}
			continue
		}
		if err != nil || got.Kind+" "+got.API.String()+" "+got.Project != c.want {
			t.Errorf("%s: %+v %v, want %s", c.url, got, err, c.want)
		}
	}
}

func TestBoundHosts(t *testing.T) {
	for _, c := range []struct {
		api, host string
		want      bool
	}{
		{"https://api.github.com", "github.com", true},
		{"https://api.github.com", "api.github.com", true},
		{"https://api.bitbucket.org", "bitbucket.org", true},
		{"https://api.bitbucket.org", "github.com", false},
		{"https://evil.example", "bitbucket.org", false},
		{"https://evil.example", "github.com", false},
		{"https://git.example:8443/api/v4", "git.example:8443", true},
		{"https://git.example:8443/api/v4", "git.example", false},
		{"https://git.example/api/v4", "git.example:443", true},
		{"https://git.example/api/v4", "", false},
	} {
		target, err := TargetOf(&v1alpha1.Repository{Spec: v1alpha1.RepositorySpec{Forge: &v1alpha1.Forge{Kind: GitHub, API: c.api, Project: "a/b"}}})
		if err != nil || target.bound(c.host) != c.want {
			t.Errorf("%s to %s: want %v (%v)", c.host, c.api, c.want, err)
		}
	}
}

// Whatever a forge answers: no panic, no token, a bounded message and a bounded pause.
func FuzzAnswer(f *testing.F) {
	f.Add(429, "60", "0", "1", `{"message":"slow"}`)
	f.Add(400, "", "", "", `{"message":{"state":["is bad"]}}`)
	f.Add(400, "", "", "", `{"type":"error","error":{"message":"Bad request","fields":{}}}`)
	f.Add(409, "", "", "", `{"errors":[{"context":null,"message":"no","exceptionName":null}]}`)
	f.Add(401, "-9223372036854775808", "0", "-9223372036854775808", `{"error":"`+secret+`"}`)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, code int, retry, remaining, reset, body string) {
		for _, kind := range []string{GitHub, GitLab, Gitea, Bitbucket} {
			target, err := TargetOf(&v1alpha1.Repository{Spec: v1alpha1.RepositorySpec{Forge: &v1alpha1.Forge{Kind: kind, API: "https://h", Project: "a/b"}}})
			if err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			h.Set("Retry-After", retry)
			h.Set("RateLimit-Remaining", remaining)
			h.Set("RateLimit-Reset", reset)
			v := target.judge(code, h, []byte(body), secret, now)
			if v.wait < 0 || v.wait > maxWait || strings.Contains(v.message, secret) || utf8.RuneCountInString(v.message) > 600 || strings.ContainsAny(v.message, "\r\n") {
				t.Errorf("%+v", v)
			}
			if _, err := json.Marshal(v.message); err != nil || v.result != taken && (v.reason == "" || v.message == "") {
				t.Errorf("%+v %v", v, err)
			}
		}
	})
}
