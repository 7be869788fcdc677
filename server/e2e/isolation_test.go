package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// scanScript says of each target in turn whether something takes connections there, and
// in how many seconds that was clear; nothing is said where the scan itself fails.
const scanScript = `
for t in $TARGETS; do
  start=$(date +%s) host=${t#*=}
  out=$(timeout 4 bash -c "exec 3<>/dev/tcp/${host%:*}/${host#*:}" 2>&1); code=$?
  case $code in 0) state=open;; 1|124) state=shut;; *) state=broken;; esac
  echo "scan ${t%%=*} $state $(($(date +%s) - start))s $code $out"
done
if getent hosts kubernetes.default.svc.cluster.local; then echo "scan dns open 0s"; else echo "scan dns shut 0s"; fi
`

// neighbour is a pod of another tenant that serves, behind a service with a node port.
const neighbour = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: NS, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: web, image: busybox, command: [httpd, -f, -p, "8000"], readinessProbe: {tcpSocket: {port: 8000}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8000}]}
`

// isolated are targets by name, and whether a job may reach them.
type isolated struct {
	address string
	allowed bool
}

// outsideNamespace is a machine beyond the cluster, with a public and a private address.
func outsideNamespace(t *testing.T) {
	t.Helper()
	name := fmt.Sprintf("slipway-out-%d", os.Getpid())
	run := func(args ...string) {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
	}
	run("ip", "netns", "add", name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	run("ip", "link", "add", "out0", "type", "veth", "peer", "name", "out1", "netns", "/var/run/netns/"+name)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "out0").Run() })
	run("ip", "addr", "add", "198.51.100.1/24", "dev", "out0")
	run("ip", "addr", "add", "10.99.0.1/24", "dev", "out0")
	run("ip", "link", "set", "out0", "up")
	in := []string{"nsenter", "--net=/var/run/netns/" + name}
	run(append(in, "ip", "addr", "add", "198.51.100.2/24", "dev", "out1")...)
	run(append(in, "ip", "addr", "add", "10.99.0.2/24", "dev", "out1")...)
	run(append(in, "ip", "link", "set", "out1", "up")...)
	httpd := exec.Command(in[0], in[1], filepath.Join(top, "build/payload/busybox"), "httpd", "-f", "-p", "8000")
	httpd.Dir = t.TempDir()
	httpd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := httpd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = httpd.Process.Kill(); _ = httpd.Wait() })
}

// hangs is the exit code of timeout.
const hangs = "124"

// scanned reads what the script printed.
func scanned(log string) map[string][]string {
	found := map[string][]string{}
	for line := range strings.Lines(log) {
		if at := strings.Index(line, "scan "); at >= 0 {
			if f := strings.Fields(line[at:]); len(f) > 3 && (f[2] == "open" || f[2] == "shut") {
				found[f[1]] = f[2:]
			}
		}
	}
	return found
}

func (x targets) check(t *testing.T, from, log string) {
	t.Helper()
	found := scanned(log)
	for name, want := range x {
		state := map[bool]string{true: "open", false: "shut"}[want.allowed]
		switch got := found[name]; {
		case got == nil:
			t.Errorf("%s: nothing of %s:\n%s", from, name, log)
		case got[0] != state:
			t.Errorf("%s: %s (%s) is %v, want %s", from, name, want.address, got, state)
		case state == "shut" && len(got) > 2 && got[2] == hangs:
			t.Errorf("%s: %s (%s) hangs for %s in place of being refused", from, name, want.address, got[1])
		}
	}
}

type targets map[string]isolated

func (x targets) String() string {
	var words []string
	for name, w := range x {
		if w.address != "" {
			words = append(words, name+"="+w.address)
		}
	}
	return strings.Join(words, " ")
}

// TestJobsAreIsolated scans from inside a job and a RUN of a Dockerfile (threats 11 and
// 19): both reach DNS, the front door, their own services and the public outside, and
// nothing else. A pod of an application, which is not limited, is the control.
func TestJobsAreIsolated(t *testing.T) {
	alone(t)
	outsideNamespace(t)
	newNamespace(t, "neighbour")
	files := &repo{t: t, dir: t.TempDir()}
	for _, ns := range []string{"default", "neighbour"} {
		files.write(map[string]string{ns + ".yaml": strings.ReplaceAll(neighbour, "NS", ns)})
		cleanUp(t, "kubectl", "-n", ns, "delete", "--ignore-not-found", "pod/web", "service/web")
		must(t, "kubectl", "apply", "-f", files.dir+"/"+ns+".yaml")
		must(t, "kubectl", "-n", ns, "wait", "--for=condition=Ready", "pod/web", "--timeout=5m")
	}
	of := func(args ...string) string {
		return strings.TrimSpace(must(t, append([]string{"kubectl"}, args...)...))
	}
	pod := func(ns string) string { return of("-n", ns, "get", "pod", "web", "-o", "jsonpath={.status.podIP}") }
	service := of("-n", "neighbour", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	port := of("-n", "neighbour", "get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}")
	node := of("get", "node", "-o", "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}")
	dnsPod := of("-n", "kube-system", "get", "pod", "-l", "k8s-app=kube-dns", "-o", "jsonpath={.items[0].status.podIP}")
	x := targets{
		"dns":               {"", true},
		"front-door":        {node + ":8443", true},
		"outside":           {"198.51.100.2:8000", true},
		"apiserver-service": {"10.43.0.1:443", false},
		"apiserver-node":    {node + ":6443", false},
		"apiserver-gateway": {"10.42.0.1:6443", false},
		"kubelet":           {node + ":10250", false},
		"node-port":         {node + ":" + port, false},
		"pod-of-other":      {pod("neighbour") + ":8000", false},
		"pod-of-own":        {pod("default") + ":8000", false},
		"service":           {service + ":80", false},
		"dns-metrics":       {"10.43.0.10:9153", false},
		"dns-health":        {dnsPod + ":8080", false},
		"private":           {"10.99.0.2:8000", false},
	}
	// Without anybody there, for the control as well.
	nobody := targets{"etcd": {node + ":2379", false}, "etcd-peer": {node + ":2380", false}, "front-door-plain": {node + ":8080", false},
		"metadata": {"169.254.169.254:80", false}, "nobody": {"10.42.255.250:80", false}}

	control := targets{}
	all := targets{}
	for name, w := range x {
		all[name], control[name] = w, isolated{w.address, true}
	}
	for name, w := range nobody {
		all[name] = w
	}
	script := strings.ReplaceAll(scanScript, "$TARGETS", all.String())
	applySleeper(t, "control", "debian:bookworm-slim")
	must(t, "kubectl", "wait", "--for=condition=Ready", "pod/control", "--timeout=5m")
	control.check(t, "an application's pod", must(t, "kubectl", "exec", "control", "--", "bash", "-c", script))

	r := newRepo(t, "isolated", map[string]string{"scan.sh": script,
		"Dockerfile": "FROM debian:bookworm-slim\nCOPY scan.sh /scan.sh\nRUN bash /scan.sh\n",
		".gitlab-ci.yml": `
default: {image: "debian:bookworm-slim"}
scan:
  services: [{name: busybox, alias: own, command: [httpd, -f, -p, "8001"]}]
  script:
    - bash scan.sh
    - test ! -e /var/run/secrets/kubernetes.io
    - exec 3<>/dev/tcp/own/8001
    - echo kept > kept.txt
  artifacts: {paths: [kept.txt]}
use: {needs: [scan], script: [grep kept kept.txt]}
build: {script: [slipway build --image $CI_REGISTRY_IMAGE]}
wait: {script: [echo waiting, sleep 600]}
`})
	r.push()
	waiting := r.until("the waiting job's script", func(run *api.Run) bool {
		return jobOf(run, "wait").Phase == api.Running
	})
	eventually(t, func() error {
		if out, err := slipway(t, "kubectl", "get", "pod", jobOf(waiting, "wait").TaskRun+"-pod", "-o", "jsonpath={.status.phase}"); out != "Running" {
			return fmt.Errorf("the waiting job's pod: %v %s", err, out)
		}
		return nil
	})
	pid := processOf(t, jobOf(waiting, "wait").TaskRun+"-pod")
	fromPod := scanFrom(t, pid, []probe{{URL: "http://[ff02::1%25eth0]:10250/"}, {URL: "http://[fe80::1%25eth0]:8443/"}, {URL: "http://" + node + ":6443/"}})
	for i, a := range fromPod {
		if a.Status != 0 || a.Err == "" {
			t.Errorf("probe %d from the job's network: %+v", i, a)
		}
	}
	must(t, "run", "cancel", r.run(), "wait")
	run := r.finished()
	for _, name := range []string{"scan", "use", "build"} {
		if j := jobOf(run, name); j.Phase != api.Succeeded {
			t.Errorf("job %s is %s: %s\n%s", name, j.Phase, j.Message, r.log(name))
		}
	}
	all.check(t, "a job", r.log("scan"))
	all.check(t, "a Dockerfile's RUN", r.log("build"))

	// With no outside, the rest still works; and what ends while the server is away has ended as
	// it did.
	must(t, "kubectl", "create", "job", "ended", "--image=busybox", "--", "sh", "-c", "while [ ! -e /go ]; do sleep 0.1; done; sleep 4; exit 0")
	cleanUp(t, "kubectl", "delete", "job", "ended")
	ended := strings.TrimSpace(must(t, "kubectl", "get", "pods", "-l", "job-name=ended", "-o", "jsonpath={.items[0].metadata.name}"))
	eventually(t, func() error {
		if out, err := slipway(t, "kubectl", "exec", ended, "--", "touch", "/go"); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	server.signal(syscall.SIGTERM)
	eventually(t, func() error {
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range lines {
			if line, _ := os.ReadFile(file); strings.Contains(string(line), "while [ ! -e /go ]") {
				return errors.New("the process of the job does not end")
			}
		}
		return nil
	})
	defer func() { server.signal(syscall.SIGTERM); restart(t) }()
	var err error
	if server, err = start("--jobs-outside=none"); err != nil {
		t.Fatal(err)
	}
	if err := ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if out := must(t, "kubectl", "get", "job", "ended", "-o", "jsonpath={.status.succeeded} succeeded, failed {.status.failed}"); out != "1 succeeded, failed " {
			return errors.New(out)
		}
		return nil
	})
	all["outside"] = isolated{"198.51.100.2:8000", false}
	r.write(map[string]string{".gitlab-ci.yml": "default: {image: 'debian:bookworm-slim'}\nscan: {script: [bash scan.sh]}\n"})
	r.push()
	r.succeeded()
	all.check(t, "a job without outside", r.log("scan"))
}
