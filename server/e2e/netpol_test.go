package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// walled is a namespace as a preview of a tenant may be: its pods talk to one another and
// ask the cluster's DNS, and nobody else.
const walled = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: walled, namespace: NS}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {}}]}]
  egress:
  - to: [{podSelector: {}}]
  - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
    ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
`

// tries is a pod that asks for an address with the first that it does, and stays.
const tries = `
apiVersion: v1
kind: Pod
metadata: {name: tries, namespace: NS}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: tries, image: "debian:bookworm-slim", command: [bash, -c, "if timeout 5 bash -c 'exec 3<>/dev/tcp/TARGET'; then echo open; else echo shut $?; fi; sleep 3600"]}
`

// TestNetworkPolicies: pods of a walled namespace reach their own services by name, and
// none of another namespace on the same node; a pod that starts is limited from its first
// packet on; the node reaches its pods; and without policies nothing is left.
func TestNetworkPolicies(t *testing.T) {
	together(t)
	const one, two = "walled-one", "walled-two"
	files := &repo{t: t, dir: t.TempDir()}
	apply := func(name, text string) {
		files.write(map[string]string{name: text})
		must(t, "kubectl", "apply", "-f", files.dir+"/"+name)
	}
	for _, ns := range []string{one, two} {
		newNamespace(t, ns)
		apply(ns+".yaml", strings.ReplaceAll(walled+"---"+neighbour, "NS", ns))
	}
	for _, ns := range []string{one, two} {
		must(t, "kubectl", "-n", ns, "wait", "--for=condition=Ready", "pod/web", "--timeout=5m")
	}
	address := func(ns string) string {
		return must(t, "kubectl", "-n", ns, "get", "pod", "web", "-o", "jsonpath={.status.podIP}") + "/8000"
	}
	apply("tries.yaml", strings.NewReplacer("NS", one, "TARGET", address(two)).Replace(tries))
	must(t, "kubectl", "-n", one, "wait", "--for=condition=Ready", "pod/tries", "--timeout=5m")
	eventually(t, func() error {
		out := must(t, "kubectl", "-n", one, "logs", "tries")
		if strings.Contains(out, "open") {
			t.Fatalf("a pod that starts reaches another namespace: %s", out)
		}
		if !strings.Contains(out, "shut") {
			return fmt.Errorf("it says %q", out)
		}
		return nil
	})
	reaches := func(target string) (bool, string) {
		out, err := slipway(t, "kubectl", "-n", one, "exec", "tries", "--", "timeout", "5", "bash", "-c", "exec 3<>/dev/tcp/"+target)
		return err == nil, out
	}
	for target, want := range map[string]bool{
		"web." + one + "/80": true,
		address(one):         true,
		"web." + two + "/80": false,
		address(two):         false,
	} {
		if got, out := reaches(target); got != want || !want && !strings.Contains(out, "refused") {
			t.Errorf("%s: reached %t, want %t: %s", target, got, want, out)
		}
	}
	conn, err := net.DialTimeout("tcp", strings.Replace(address(two), "/", ":", 1), 5*time.Second)
	if err != nil {
		t.Fatalf("from the node: %v", err)
	}
	_ = conn.Close()

	for _, ns := range []string{one, two} {
		must(t, "kubectl", "-n", ns, "delete", "networkpolicy", "walled")
	}
	eventually(t, func() error {
		if out, err := exec.Command("nft", "list", "table", "ip", "slipway-policies").CombinedOutput(); err == nil {
			return fmt.Errorf("without policies there is %s", out)
		}
		return nil
	})
	if got, out := reaches("web." + two + "/80"); !got {
		t.Errorf("without policies: %s", out)
	}
}
