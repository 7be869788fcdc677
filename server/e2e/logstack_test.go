package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	api "slipway.dev/cluster/api/v1alpha1"
)

// standin builds the program that stands for all of a stack's and pushes an image of it for
// the stack's own namespace.
func standin(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "standin")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "./server/e2e/standin")
	build.Dir, build.Env = top, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	image := layered(t, v1.Config{Entrypoint: []string{"/standin"}}, map[string][]byte{"standin": b}, nil)
	const repository = "/" + api.LogStackNamespace + "/standin:1"
	to, err := name.NewTag(strings.TrimPrefix(user.Server, "http://")+repository, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(to, image, remote.WithAuth(&authn.Basic{Username: "admin", Password: mustToken(t)})); err != nil {
		t.Fatal(err)
	}
	return api.RegistryHost + repository
}

// through asks a part by a port-forward, as somebody with a browser does; with credentials
// it sends a line.
func through(t *testing.T, part string, port int, credentials string) (code int, body string) {
	t.Helper()
	forward := exec.CommandContext(t.Context(), binary, "kubectl", "-n", api.LogStackNamespace, "port-forward", "service/"+part, fmt.Sprintf(":%d", port))
	forward.Dir, forward.Env = top, append(os.Environ(), "SLIPWAY_DATA_DIR="+dataDir)
	out, err := forward.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = forward.Process.Kill()
		_ = forward.Wait()
	}()
	// Forwarding from 127.0.0.1:41234 -> 5601
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("port-forward to %s: %v", part, err)
	}
	address := strings.Fields(line)[2]
	req, err := http.NewRequest("POST", "https://"+address+"/", strings.NewReader("a-word-for-logstash"))
	if err != nil {
		t.Fatal(err)
	}
	if name, password, ok := strings.Cut(credentials, ":"); ok {
		req.SetBasicAuth(name, password)
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // its name is not localhost
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestLogStack has stand-ins provisioned, and a pod's line come to the one for Elasticsearch
// by the one for Fluentd; one part whose image is not to be had is shown, and nothing else
// minds; data and passwords outlive the stack.
func TestLogStack(t *testing.T) {
	together(t)
	if out, err := slipway(t, "logstack", "show"); err == nil || !strings.Contains(out, "slipway logstack apply") {
		t.Errorf("without one: %v %s", err, out)
	}
	began := time.Now()
	at := func(what string) { t.Logf("%s after %s", what, time.Since(began).Round(100*time.Millisecond)) }
	image := standin(t)
	at("pushed")
	file := filepath.Join(t.TempDir(), "logstack.yaml")
	const small = "resources: {cpu: 10m, memory: 128Mi}"
	text := fmt.Sprintf(`apiVersion: slipway.dev/v1alpha1
kind: LogStack
metadata: {name: logs}
spec:
  fluentd: {image: %[1]s, %[2]s}
  elasticsearch: {image: %[1]s, %[2]s, storage: {size: 100Mi}}
  kibana: {image: %[1]s, %[2]s}
  logstash: {image: %[3]s/slipway-logs/nowhere:1, %[2]s}
`, image, small, api.RegistryHost)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cleanUp(t, "logstack", "remove", "--with-data") // that it all goes, a test on a real control plane shows
	must(t, "logstack", "apply", "-f", file)
	show := func(want ...string) {
		t.Helper()
		eventually(t, func() error {
			out := must(t, "logstack", "show")
			for _, w := range want {
				if !strings.Contains(strings.Join(strings.Fields(out), " "), w) {
					pods, _ := slipway(t, "kubectl", "-n", api.LogStackNamespace, "get", "pods,events")
					return fmt.Errorf("no %q in\n%s\n%s", w, out, pods)
				}
			}
			return nil
		})
	}
	show("fluentd Ready 1/1", "elasticsearch Ready 1/1", "kibana Ready 1/1", "logstash Degraded 0/1", "nowhere:1 cannot be pulled", "green")
	at("all shown")
	if out := must(t, "status"); !strings.Contains(out, "log stack: logstash") {
		t.Errorf("status: %s", out)
	}
	if got := status(t, "GET", user.Server+"/readyz", ""); got != 200 {
		t.Errorf("/readyz with a broken stack: %d", got)
	}
	reader := strings.TrimSpace(must(t, "token", "create", "stack-onlooker", "--role", "slipway-developer"))
	if got := status(t, "GET", user.Server+"/api/v1/logstack", reader); got != 403 {
		t.Errorf("a developer sees the log stack: %d", got)
	}
	came := func(word string) {
		t.Helper()
		eventually(t, func() error {
			out := must(t, "kubectl", "-n", api.LogStackNamespace, "logs", "elasticsearch-0")
			for line := range strings.Lines(out) {
				if strings.HasPrefix(line, "document slipway-logs-pods-default ") && strings.Contains(line, word) {
					return nil
				}
			}
			sent, _ := os.ReadFile(filepath.Join(dataDir, "logs", "observe.log"))
			fluentd, _ := slipway(t, "kubectl", "-n", api.LogStackNamespace, "logs", "--tail=5", "daemonset/fluentd")
			kept, _ := slipway(t, "logs", "--pod", "stack-talker", "--since", "5m")
			return fmt.Errorf("no document with %s in %d lines; the log store has %q; fluentd: %s; the sender: %s", word, strings.Count(out, "\n"), kept, fluentd, sent[max(0, len(sent)-2000):])
		})
	}
	must(t, "kubectl", "run", "stack-talker", "--image=busybox", "--restart=Never", "--command", "--", "echo", "a-word-for-the-stack")
	cleanUp(t, "kubectl", "delete", "pod", "stack-talker", "--grace-period=1")
	came("a-word-for-the-stack")
	at("line came")

	// It is searched within the caller's namespace, as the one who may read.
	if out := must(t, "logs", "--from", "elasticsearch", "--since", "5m", "a-word-for-the-stack"); !strings.Contains(out, "a-word-for-the-stack") {
		t.Errorf("not found in the stack's Elasticsearch: %q", out)
	}
	if out := must(t, "-n", "kube-system", "logs", "--from", "elasticsearch", "--since", "5m", "a-word-for-the-stack"); strings.Contains(out, "a-word-for-the-stack") {
		t.Errorf("found in another namespace: %q", out)
	}
	// Kibana is reached as `slipway logstack show` says.
	if out := must(t, "logstack", "show"); !strings.Contains(out, "port-forward service/kibana 5601") {
		t.Errorf("how Kibana is reached: %s", out)
	}
	if code, body := through(t, "kibana", 5601, ""); code != 200 || !strings.Contains(body, "available") {
		t.Errorf("kibana by a port-forward: %d %s", code, body)
	}
	must(t, "logstack", "remove")
	eventually(t, func() error {
		if out, err := slipway(t, "logstack", "show"); err == nil || !strings.Contains(out, "no log stack") {
			return fmt.Errorf("%v %s", err, out)
		}
		return nil
	})
	if out := must(t, "kubectl", "-n", api.LogStackNamespace, "get", "pvc,secrets,deployments,services", "-o", "name"); strings.Contains(out, "deployment") || strings.Contains(out, "service") ||
		!strings.Contains(out, "persistentvolumeclaim/data-elasticsearch-0") || !strings.Contains(out, "secret/logstack-passwords") {
		t.Errorf("left: %s", out)
	}
	at("removed")
	// The stand-in keeps its users with its documents: another password would not get in.
	text = text[:strings.Index(text, "  kibana:")] + fmt.Sprintf("  logstash: {image: %s, %s}\n", image, small)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "logstack", "apply", "-f", file)
	show("elasticsearch Ready 1/1", "logstash Ready 1/1", "green")
	// What others send by Logstash is there as well.
	password := strings.TrimSpace(must(t, "kubectl", "-n", api.LogStackNamespace, "get", "secret", "logstack-passwords", "-o", "go-template={{index .data \"logstash-input\" | base64decode}}"))
	if code, _ := through(t, "logstash", 8080, "logstash:wrong"); code != 401 {
		t.Errorf("logstash with a wrong password: %d", code)
	}
	if code, body := through(t, "logstash", 8080, "logstash:"+password); code != 200 || !strings.Contains(body, `"status":201`) {
		t.Errorf("logstash: %d %s", code, body)
	}
	at("again")
}
