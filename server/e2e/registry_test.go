package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestPodsPullAsThemselves has a pod pull what a pipeline built with nothing but its
// own identity, and the same image refused to a pod of another namespace.
func TestPodsPullAsThemselves(t *testing.T) {
	together(t)
	r := newRepo(t, "pulled", map[string]string{"Dockerfile": "FROM busybox\nRUN echo built > /what\nCMD [\"sleep\", \"3600\"]\n"})
	cleanUp(t, "repo", "delete", "pulled")
	r.push()
	run := r.finished()
	if run.Status.Phase != api.Succeeded || len(jobOf(run, "build").Images) != 1 {
		t.Fatalf("%s %s\n%s", run.Status.Phase, run.Status.Message, r.log("build"))
	}
	image := jobOf(run, "build").Images[0]
	reference := image.Name + "@" + image.Digest
	if image.Name != api.RegistryHost+"/default/pulled" {
		t.Errorf("image %s", reference)
	}

	applyPod(t, "default", "puller", reference, "IfNotPresent")
	must(t, "kubectl", "wait", "--for=condition=Ready", "pod/puller", "--timeout=5m")
	if out := must(t, "kubectl", "exec", "puller", "--", "cat", "/what"); !strings.Contains(out, "built") {
		t.Errorf("the pod runs another image: %s", out)
	}

	newNamespace(t, "stranger")
	// The node has the image by now. Neither asking again nor relying on that helps.
	for _, policy := range []string{"Always", "IfNotPresent"} {
		name := "stranger-" + strings.ToLower(policy)
		applyPod(t, "stranger", name, reference, policy)
		eventually(t, func() error { return refused(t, "stranger", name) })
	}
}

// newNamespace makes a namespace that is no tenant's, with its default service account.
func newNamespace(t *testing.T, name string) {
	t.Helper()
	must(t, "kubectl", "create", "namespace", name)
	cleanUp(t, "kubectl", "delete", "namespace", name)
	eventually(t, func() error {
		out, err := slipway(t, "kubectl", "-n", name, "get", "serviceaccount", "default")
		if err != nil {
			return fmt.Errorf("%w %s", err, out)
		}
		return nil
	})
}

// refused says whether the pod's only container waits for an image it may not have.
func refused(t *testing.T, namespace, pod string) error {
	t.Helper()
	out := must(t, "kubectl", "-n", namespace, "get", "pod", pod, "-o", "json")
	var p struct {
		Status struct {
			ContainerStatuses []struct {
				State struct {
					Waiting struct{ Reason, Message string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Status.ContainerStatuses) == 0 {
		return fmt.Errorf("pod %s has no container yet", pod)
	}
	w := p.Status.ContainerStatuses[0].State.Waiting
	if (w.Reason != "ErrImagePull" && w.Reason != "ImagePullBackOff") || !strings.Contains(w.Message, "authorization failed") && !strings.Contains(w.Message, "401 Unauthorized") {
		return fmt.Errorf("pod %s: want a refused pull, have %q: %s", pod, w.Reason, w.Message)
	}
	return nil
}

func applyPod(t *testing.T, namespace, name, image, policy string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pod.json")
	pod := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %q, "namespace": %q}, "spec": {"terminationGracePeriodSeconds": 0,
		"containers": [{"name": "main", "image": %q, "imagePullPolicy": %q}]}}`, name, namespace, image, policy)
	if err := os.WriteFile(file, []byte(pod), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "kubectl", "apply", "-f", file)
	cleanUp(t, "kubectl", "-n", namespace, "delete", "pod", name)
}

// TestRegistryRefusals asks the registry and its token endpoint as nobody, with a
// wrong password, and for more than a token is good for.
func TestRegistryRefusals(t *testing.T) {
	together(t)
	anonymous := registryCall(t, "GET", "/v2/", "", "")
	challenge := anonymous.Header.Get("WWW-Authenticate")
	if anonymous.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Bearer ") ||
		!strings.Contains(challenge, `realm="`+user.Server+`/registry/token"`) || !strings.Contains(challenge, `service="`+api.RegistryHost+`"`) {
		t.Errorf("anonymous /v2/: %s, challenge %q", anonymous.Status, challenge)
	}

	r := newRepo(t, "hedged", map[string]string{"Dockerfile": "FROM busybox\n"})
	cleanUp(t, "repo", "delete", "hedged")
	r.push()
	if run := r.finished(); run.Status.Phase != api.Succeeded {
		t.Fatalf("%s %s", run.Status.Phase, run.Status.Message)
	}
	// What is there and what is not have to look the same.
	var answers []string
	for _, scope := range []string{"repository:default/hedged:pull", "repository:default/none:pull", "repository:none/none:pull", "registry:catalog:*", ""} {
		resp := registryCall(t, "GET", "/registry/token?service="+api.RegistryHost+"&scope="+url.QueryEscape(scope), "Basic", "wrong")
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("wrong password, scope %q: %s %v", scope, resp.Status, err)
		}
		answers = append(answers, string(body))
	}
	for _, a := range answers[1:] {
		if a != answers[0] || strings.Contains(a, "token\"") {
			t.Errorf("wrong passwords learn something: %q", answers)
			break
		}
	}

	admin := mustToken(t)
	viewer := strings.TrimSpace(must(t, "token", "create", "registry-viewer", "--role", "slipway-viewer"))
	for _, tc := range []struct{ credential, scope, granted string }{
		{admin, "repository:default/hedged:pull,push", "repository:default/hedged:pull,push"},
		{viewer, "repository:default/hedged:pull,push,delete", "repository:default/hedged:pull"},
		{viewer, "repository:kube-system/hedged:pull", ""},
		{viewer, "registry:catalog:*", ""},
		{admin, "repository:system/toolbox:pull,push", "repository:system/toolbox:pull"},
		{admin, "repository:docker.io/library/busybox:push", ""},
		{admin, "repository:slipway__artifacts/x:pull,push", ""},
	} {
		if _, granted := scoped(t, tc.credential, tc.scope); granted != tc.granted {
			t.Errorf("asked for %s, got %q, want %q", tc.scope, granted, tc.granted)
		}
	}

	token, _ := scoped(t, admin, "repository:default/hedged:pull,push")
	var tags struct{ Tags []string }
	if err := json.NewDecoder(registryCall(t, "GET", "/v2/default/hedged/tags/list", "Bearer", token).Body).Decode(&tags); err != nil {
		t.Fatal(err)
	}
	if commit := strings.TrimSpace(r.git("rev-parse", "HEAD"))[:12]; !slices.Contains(tags.Tags, commit) {
		t.Errorf("no tag of commit %s: %v", commit, tags.Tags)
	}
	if resp := registryCall(t, "POST", "/v2/default/other/blobs/uploads/", "Bearer", token); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the token of one repository pushes to another: %s", resp.Status)
	} else if c := resp.Header.Get("WWW-Authenticate"); !strings.Contains(c, "insufficient_scope") {
		t.Errorf("refused without a reason: %q", c)
	}
	if resp := registryCall(t, "GET", "/v2/default/other/tags/list", "Bearer", token); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the token of one repository reads another: %s", resp.Status)
	}
	own := registryCall(t, "POST", "/v2/default/hedged/blobs/uploads/", "Bearer", token)
	if own.StatusCode != http.StatusAccepted {
		t.Fatalf("the token does not push to its own repository: %s", own.Status)
	}
	remover, _ := scoped(t, admin, "repository:default/hedged:pull,push,delete")
	if resp := registryCall(t, "DELETE", own.Header.Get("Location"), "Bearer", remover); resp.StatusCode != http.StatusNoContent {
		t.Errorf("the upload is not given up: %s", resp.Status)
	}
}

// registryCall asks the registry with a scheme of authorisation. Basic has the secret
// as the password.
func registryCall(t *testing.T, method, path, scheme, secret string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, user.Server+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	switch scheme {
	case "Basic":
		req.SetBasicAuth("anyone", secret)
	case "Bearer":
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// scoped asks the token endpoint and returns the token and what it is good for.
func scoped(t *testing.T, credential, scope string) (token, granted string) {
	t.Helper()
	resp := registryCall(t, "GET", "/registry/token?service="+api.RegistryHost+"&scope="+url.QueryEscape(scope), "Basic", credential)
	var answer struct{ Token, Scope string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("no token for %s: %s %v", scope, resp.Status, err)
	}
	return answer.Token, answer.Scope
}
