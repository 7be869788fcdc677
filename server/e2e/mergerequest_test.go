package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	api "slipway.dev/cluster/api/v1alpha1"
)

// requested is a repository elsewhere whose forge is GitHub-shaped.
type requested struct {
	*repo
	dir  string // the forge's bare repository
	sent int
}

// hook sends an event as GitHub does, and returns the code of the answer.
func (r *requested) hook(key, event string, body map[string]any) int {
	r.t.Helper()
	body["repository"] = map[string]any{"id": 1, "full_name": "acme/shop"}
	raw, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), "POST", user.Server+"/hooks/github/default/"+r.name, bytes.NewReader(raw))
	if err != nil {
		r.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(raw)
	r.sent++
	for k, v := range map[string]string{
		"Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": fmt.Sprintf("%s-%d", r.t.Name(), r.sent),
		"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// pull tells of a pull request whose head is the commit that is checked out.
func (r *requested) pull(action, state string, number int, branch, from string) {
	r.t.Helper()
	head := strings.TrimSpace(r.git("rev-parse", "HEAD"))
	r.git("push", "--quiet", "--force", r.dir, fmt.Sprintf("HEAD:refs/pull/%d/head", number))
	id := 1
	if from != "acme/shop" {
		id = 2
	}
	code := r.hook("planted", "pull_request", map[string]any{"action": action, "number": number, "pull_request": map[string]any{
		"number": number, "title": "Add a cart", "state": state, "merged": false, "user": map[string]any{"login": "bob"},
		"html_url": "https://forge.example/acme/shop/pull/" + strconv.Itoa(number), "updated_at": time.Now().UTC().Format(time.RFC3339),
		"head": map[string]any{"ref": branch, "sha": head, "repo": map[string]any{"id": id, "full_name": from}},
		"base": map[string]any{"ref": "main", "sha": head, "repo": map[string]any{"id": 1, "full_name": "acme/shop"}},
	}})
	if code != http.StatusAccepted {
		r.t.Fatalf("%s: %d", action, code)
	}
}

// request waits until the repository knows the checked out commit as a merge request's
// head, and returns the name of its run.
func (r *requested) request(number int64) string {
	r.t.Helper()
	head := strings.TrimSpace(r.git("rev-parse", "HEAD"))
	run := ""
	eventually(r.t, func() error {
		var got api.Repository
		if err := user.Call(r.t.Context(), "GET", user.Path("repositories", r.name), nil, &got); err != nil {
			return err
		}
		m := got.Status.MergeRequest(number)
		if m == nil || m.Commit != head {
			return fmt.Errorf("merge request %d: %+v", number, m)
		}
		if _, branch := got.Status.Refs[api.MergeRequestRef(number)]; branch {
			return errors.New("its head is taken for a branch")
		}
		run = r.name + "-" + strconv.FormatInt(m.Sequence, 10)
		return nil
	})
	return run
}

func (r *requested) wait(run string, ok func(*api.Run) bool) *api.Run {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	got, err := user.WaitRun(ctx, run, ok)
	if err != nil {
		r.t.Fatalf("run %s: %v\n%+v", run, err, got)
	}
	return got
}

func (r *requested) printed(run, job string) string {
	r.t.Helper()
	var b strings.Builder
	if err := user.JobLog(r.t.Context(), &b, run, job, false); err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}

func runOver(r *api.Run) bool { return r.Status.Phase.Finished() }

const requestPipeline = `
look:
  image: busybox
  interruptible: true
  rules: [{if: $CI_PIPELINE_SOURCE == "merge_request_event"}]
  script:
    - echo "request $CI_MERGE_REQUEST_IID of $CI_MERGE_REQUEST_SOURCE_PROJECT_PATH $CI_MERGE_REQUEST_SOURCE_BRANCH_NAME into $CI_MERGE_REQUEST_TARGET_BRANCH_NAME, secret [$PLANTED]"
    - sleep $(cat nap)
push:
  image: busybox
  rules: [{if: $CI_PIPELINE_SOURCE == "push"}]
  script: [echo pushed]
`

// TestMergeRequests of a repository elsewhere: its forge tells of a push, and of merge
// requests from their opening to their end; one of a fork waits until it is approved.
func TestMergeRequests(t *testing.T) {
	together(t)
	dir, url := elsewhere(t)
	r := &requested{dir: dir, repo: newRepo(t, "requested", map[string]string{".gitlab-ci.yml": requestPipeline, "nap": "0"})}
	r.commit()
	r.git("push", "--quiet", dir, "HEAD:main")
	cleanUp(t, "kubectl", "delete", "secret", "requested-hook", "--ignore-not-found")
	must(t, "kubectl", "create", "secret", "generic", "requested-hook", "--from-literal=token=planted")
	must(t, "repo", "add", "requested", url, "--webhook-secret", "requested-hook")
	if err := user.Call(t.Context(), "POST", user.Path("variables"), map[string]any{"name": "PLANTED", "value": "open-sesame", "repository": "requested", "visible": true}, nil); err != nil {
		t.Fatal(err)
	}
	r.wait("requested-1", runOver)

	t.Run("push", func(t *testing.T) {
		r.commit()
		r.git("push", "--quiet", dir, "HEAD:main")
		event := map[string]any{"ref": "refs/heads/main", "before": strings.Repeat("1", 40), "after": strings.Repeat("2", 40)}
		if code := r.hook("wrong", "push", event); code != http.StatusUnauthorized {
			t.Fatalf("wrong signature: %d", code)
		}
		if code := r.hook("planted", "push", event); code != http.StatusAccepted {
			t.Fatalf("right signature: %d", code)
		}
		if run := r.wait("requested-2", runOver); run.Status.Phase != api.Succeeded || run.Spec.Cause != "push" {
			t.Fatalf("%s %s", run.Spec.Cause, run.Status.Message)
		}
	})
	t.Run("of a branch", func(t *testing.T) {
		r.git("checkout", "--quiet", "-b", "topic")
		r.commit()
		r.git("push", "--quiet", dir, "HEAD:topic")
		r.pull("opened", "open", 7, "topic", "acme/shop")
		name := r.request(7)
		if run := r.wait(name, runOver); run.Status.Phase != api.Succeeded || run.Spec.Cause != "merge-request" || run.Spec.MergeRequest.Number != 7 {
			t.Fatalf("%+v %s", run.Spec, run.Status.Message)
		}
		if log := r.printed(name, "look"); !strings.Contains(log, "request 7 of default/requested topic into main, secret [open-sesame]") {
			t.Error(log)
		}
		r.write(map[string]string{"nap": "600"})
		r.commit()
		r.git("push", "--quiet", dir, "HEAD:topic")
		r.pull("synchronize", "open", 7, "topic", "acme/shop")
		name = r.request(7)
		r.wait(name, func(run *api.Run) bool { return len(run.Status.Jobs) > 0 && run.Status.Jobs[0].StartedAt != nil })
		r.pull("closed", "closed", 7, "topic", "acme/shop")
		if run := r.wait(name, runOver); run.Status.Phase != api.Canceled || run.Status.Message != "merge request 7 is closed" {
			t.Fatalf("%s %s", run.Status.Phase, run.Status.Message)
		}
	})
	t.Run("of a fork", func(t *testing.T) {
		r.git("checkout", "--quiet", "main")
		r.write(map[string]string{"nap": "0", "theirs": "x"})
		r.commit()
		r.pull("opened", "open", 8, "main", "mallory/shop")
		name := r.request(8)
		run := r.wait(name, func(run *api.Run) bool { return run.Status.Approval != nil })
		if run.Status.Phase != api.Pending || len(run.Status.Jobs) != 0 || !strings.Contains(run.Status.Message, "mallory/shop") {
			t.Fatalf("%+v", run.Status)
		}
		must(t, "run", "approve", name)
		if run := r.wait(name, runOver); run.Status.Phase != api.Succeeded || run.Status.Approval.By == "" {
			t.Fatalf("%+v", run.Status)
		}
		if log := r.printed(name, "look"); !strings.Contains(log, "request 8 of mallory/shop main into main, secret []") || strings.Contains(log, "sesame") {
			t.Error(log)
		}
	})
	t.Run("deliveries", func(t *testing.T) {
		out := must(t, "repo", "deliveries", "requested")
		for _, want := range []string{"push", "pull_request opened", "!7 closed", "!8 opened", "done"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		fields := strings.Fields(strings.Split(out, "\n")[1])
		one := must(t, "repo", "deliveries", "requested", fields[0])
		if !strings.Contains(one, `"full_name": "mallory/shop"`) || strings.Contains(strings.ToLower(one), "signature") || strings.Contains(one, "planted") {
			t.Error(one)
		}
		if out := must(t, "repo", "redeliver", "requested", fields[0]); !strings.HasPrefix(out, "delivery ") {
			t.Error(out)
		}
		if code := r.hook("planted", "issues", map[string]any{"action": "opened"}); code != http.StatusAccepted {
			t.Errorf("an event that nothing follows from: %d", code)
		}
		if out := must(t, "repo", "deliveries", "requested"); !strings.Contains(out, "ignored") {
			t.Error(out)
		}
	})
	t.Run("previews", func(t *testing.T) { r.previews(t) })
	t.Run("events", func(t *testing.T) {
		r.git("checkout", "--quiet", "-B", "main", "HEAD~2")
		r.write(map[string]string{"other": "x"})
		r.commit()
		r.git("push", "--quiet", "--force", dir, "HEAD:main", ":topic")
		if code := r.hook("planted", "push", map[string]any{"ref": "refs/heads/main", "after": strings.Repeat("2", 40), "forced": true}); code != http.StatusAccepted {
			t.Fatal(code)
		}
		eventually(t, func() error {
			out := must(t, "kubectl", "get", "events", "--field-selector", "involvedObject.name=requested", "-o", "custom-columns=REASON:.reason,NOTE:.message")
			for _, want := range []string{"ForcePushed", "refs/heads/main was forced from", "RefDeleted", "refs/heads/topic was deleted"} {
				if !strings.Contains(out, want) {
					return fmt.Errorf("no %q in\n%s", want, out)
				}
			}
			return nil
		})
	})
}

const requestPreviews = `apiVersion: slipway.dev/v1alpha1
kind: ApplicationSet
metadata: {name: requested}
spec:
  repository: requested
  generators: [{mergeRequests: {targets: [main]}}]
  template:
    name: requested-{{number}}
    spec: {source: {path: deploy}}
    preview: {}
`

// previews of a merge request: one as long as it is open, with what its newest commit says.
func (r *requested) previews(t *testing.T) {
	cleanUp(t, "kubectl", "delete", "applicationset", "requested", "--ignore-not-found", "--timeout=5m")
	must(t, "appset", "create", "-f", writeFile(t, requestPreviews))
	r.git("checkout", "--quiet", "-B", "shown", "main")
	defer r.git("checkout", "--quiet", "main")
	push := func(value string) {
		t.Helper()
		r.write(map[string]string{"deploy/config.yaml": config("shown", value)})
		r.commit()
		r.git("push", "--quiet", r.dir, "HEAD:shown")
	}
	var set api.ApplicationSet
	shows := func(want string) {
		t.Helper()
		eventually(t, func() error {
			set = api.ApplicationSet{}
			if err := user.Call(t.Context(), "GET", user.Path("applicationsets", "requested"), nil, &set); err != nil {
				return err
			}
			if list := set.Status.Applications; len(list) != 1 || list[0].Number != 9 || list[0].Health != "Healthy" || list[0].Namespace == "" {
				return fmt.Errorf("the set has %+v", set.Status)
			}
			out, err := slipway(t, "kubectl", "-n", set.Status.Applications[0].Namespace, "get", "configmap", "shown", "-o", "jsonpath={.data.value}")
			if err != nil || out != want {
				return fmt.Errorf("the preview says %q, want %q: %v", out, want, err)
			}
			return nil
		})
	}
	push("one")
	r.pull("opened", "open", 9, "shown", "acme/shop")
	r.request(9)
	shows("one")
	push("two")
	r.pull("synchronize", "open", 9, "shown", "acme/shop")
	shows("two")
	r.pull("closed", "closed", 9, "shown", "acme/shop")
	eventually(t, func() error { // a namespace goes slowly on a busy machine
		if out, err := slipway(t, "kubectl", "get", "namespace", set.Status.Applications[0].Namespace); err == nil {
			return fmt.Errorf("still there: %s", out)
		}
		return nil
	})
}
