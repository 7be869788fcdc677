package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// open are the ports that may listen on more than loopback, with what each must
// refuse to a caller without credentials. Whoever opens another names it here.
var open = map[string][]string{
	"8443": {"/api/v1/status", "/api/v1/namespaces/default/runs", "/metrics", "/prometheus/api/v1/query?query=up", "/v2/", "/v2/_catalog",
		"/git/hello.git/info/refs?service=git-upload-pack", "/api/v1/jobs/default/none/none/1"},
	"6443":  {"/api", "/api/v1/secrets", "/version", "/metrics", "/openapi/v2", "/debug/pprof/", "/logs/"},
	"10250": {"/pods", "/runningpods/", "/metrics", "/metrics/cadvisor", "/stats/summary", "/configz", "/logs/", "/debug/pprof/", "/containerLogs/kube-system/x/x"},
}

// probe is one question that the scanner asks.
type probe struct {
	URL   string
	Token string
	// Cert and Key are files of a client certificate, CA the authority that the answering
	// side must have its own of; empty: any.
	Cert, Key, CA string
}

// answer is what came of it: a status, or why there is none.
type answer struct {
	Status int
	Err    string
}

const scanEnv = "SLIPWAY_E2E_SCAN"

// scan asks the probes that come in and writes their answers; it is this test
// binary within the network namespace of a pod.
func scan() int {
	var probes []probe
	if err := json.NewDecoder(os.Stdin).Decode(&probes); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	answers := make([]answer, len(probes))
	for i, p := range probes {
		answers[i] = p.ask()
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		return 1
	}
	return 0
}

func (p probe) ask() answer {
	conf := &tls.Config{InsecureSkipVerify: true} // a scanner takes whatever answers
	if p.Cert != "" {
		c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			return answer{Err: err.Error()}
		}
		conf.Certificates = []tls.Certificate{c}
	}
	if p.CA != "" {
		b, err := os.ReadFile(p.CA)
		if err != nil {
			return answer{Err: err.Error()}
		}
		conf.InsecureSkipVerify, conf.RootCAs = false, x509.NewCertPool()
		conf.RootCAs.AppendCertsFromPEM(b)
	}
	// The kernel answers a connection at once, the program when it has the processor.
	tr := &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
	c := &http.Client{Transport: tr, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequest("GET", p.URL, nil)
	if err != nil {
		return answer{Err: err.Error()}
	}
	if p.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.Token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{Err: err.Error()}
	}
	defer resp.Body.Close()
	return answer{Status: resp.StatusCode}
}

// scanFrom asks from the network namespace of a process.
func scanFrom(t *testing.T, pid string, probes []probe) []answer {
	t.Helper()
	return scanIn(t, "/proc/"+pid+"/ns/net", probes)
}

// scanIn asks from a network namespace.
func scanIn(t *testing.T, namespace string, probes []probe) []answer {
	t.Helper()
	in, err := json.Marshal(probes)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "nsenter", "--net="+namespace, os.Args[0])
	cmd.Env = append(os.Environ(), scanEnv+"=1")
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	var answers []answer
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(probes) {
		t.Fatalf("scan: %d answers to %d probes: %v", len(answers), len(probes), err)
	}
	return answers
}

// processOf is a process of the pod.
func processOf(t *testing.T, pod string) string {
	t.Helper()
	uid := must(t, "kubectl", "get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), uid) {
			return filepath.Base(filepath.Dir(f))
		}
	}
	t.Fatalf("pod %s (%s) has no process", pod, uid)
	return ""
}

// listening are the ports of a protocol ("t" or "u"), those on loopback apart,
// each with what ss says of it.
func listening(t *testing.T, protocol string) (wide, loopback map[string]string) {
	t.Helper()
	out, err := exec.Command("ss", "-ln"+protocol+"pH").Output()
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	wide, loopback = map[string]string{}, map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 5 {
			t.Fatalf("ss: %q", lines.Text())
		}
		host, port, err := net.SplitHostPort(f[3])
		if err != nil {
			t.Fatalf("ss: %q: %v", lines.Text(), err)
		}
		host, _, _ = strings.Cut(host, "%")
		if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
			loopback[port] = lines.Text()
			continue
		}
		wide[port] = lines.Text()
	}
	return wide, loopback
}

// addresses of the machine that a pod could ask.
func addresses(t *testing.T) (out []string) {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			out = append(out, p.Addr().String())
		}
	}
	if len(out) == 0 {
		t.Fatal("the machine has no address but loopback")
	}
	return out
}

// TestPortsAskForCredentials scans the machine from a pod (threat 19): what listens
// on more than loopback asks for credentials, and the rest cannot be reached.
func TestPortsAskForCredentials(t *testing.T) {
	together(t)
	wide, loopback := listening(t, "t")
	for port, line := range wide {
		if open[port] == nil {
			t.Errorf("listens on more than loopback, and nothing here says that it may: %s", line)
		}
	}
	for _, port := range []string{"2379", "2380"} {
		if loopback[port] == "" {
			t.Errorf("etcd is not where the scan looks for it: port %s", port)
		}
	}
	if udp, _ := listening(t, "u"); len(udp) > 0 {
		t.Errorf("udp on more than loopback: %v", udp)
	}

	cleanUp(t, "kubectl", "delete", "pod", "scanner", "--grace-period=1", "--ignore-not-found")
	must(t, "kubectl", "run", "scanner", "--image=busybox", "--restart=Never", "--command", "--", "sleep", "3600")
	must(t, "kubectl", "wait", "--for=condition=Ready", "pod/scanner", "--timeout=5m")
	pid := processOf(t, "scanner")
	token, err := user.Token()
	if err != nil {
		t.Fatal(err)
	}

	var probes []probe
	var check []func(answer) error
	ask := func(p probe, f func(answer) error) { probes, check = append(probes, p), append(check, f) }
	status := func(want ...int) func(answer) error {
		return func(a answer) error {
			if !slices.Contains(want, a.Status) {
				return fmt.Errorf("%d %s, want %v", a.Status, a.Err, want)
			}
			return nil
		}
	}
	refused := status(http.StatusUnauthorized, http.StatusForbidden)
	// A TLS port answers plain HTTP with 400 or hangs up; it says nothing else.
	nothing := func(a answer) error {
		if a.Status != 0 && a.Status != http.StatusBadRequest {
			return fmt.Errorf("answers %d", a.Status)
		}
		return nil
	}
	unreachable := func(a answer) error {
		if !strings.Contains(a.Err, "connection refused") {
			return fmt.Errorf("%d %s, want connection refused", a.Status, a.Err)
		}
		return nil
	}
	pki := filepath.Join(dataDir, "pki")
	for _, ip := range addresses(t) {
		// The controls: the scan reaches these ports, and who may is answered.
		for _, port := range []string{"8443", "6443"} {
			ask(probe{URL: "https://" + ip + ":" + port + "/livez"}, status(http.StatusOK))
		}
		ask(probe{URL: "https://" + ip + ":8443/api/v1/status", Token: token}, status(http.StatusOK))
		ask(probe{URL: "https://" + ip + ":8443/metrics", Token: token}, status(http.StatusOK))
		for _, u := range []string{":6443/api/v1/secrets", ":10250/pods"} {
			ask(probe{URL: "https://" + ip + u, Cert: filepath.Join(pki, "admin.crt"), Key: filepath.Join(pki, "admin.key")}, status(http.StatusOK))
		}
		for port, paths := range open {
			for _, path := range paths {
				ask(probe{URL: "https://" + ip + ":" + port + path}, refused)
				ask(probe{URL: "https://" + ip + ":" + port + path, Token: "wrong"}, refused)
				ask(probe{URL: "http://" + ip + ":" + port + path}, nothing)
			}
		}
		for port := range loopback {
			ask(probe{URL: "http://" + ip + ":" + port + "/"}, unreachable)
		}
	}
	for _, path := range open["6443"] {
		ask(probe{URL: "https://10.43.0.1" + path}, refused)
	}
	for i, a := range scanFrom(t, pid, probes) {
		if err := check[i](a); err != nil {
			t.Errorf("%s (token %t, certificate %t): %v", probes[i].URL, probes[i].Token != "", probes[i].Cert != "", err)
		}
	}
	t.Logf("%d questions from the pod; ports %v", len(probes), slices.Sorted(maps.Keys(wide)))
}
