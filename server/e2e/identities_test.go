package e2e

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestIdentities: the server's own identity applies what users wrote only as their
// deployer and asks for nobody's token; a deployer is one of its namespace; a token of a
// pod is good for the registry only if it was made for it (threats 1, 2 and 15).
func TestIdentities(t *testing.T) {
	together(t)
	const deployer = "system:serviceaccount:default:slipway-deployer"
	server := []string{"kubectl", "--kubeconfig", filepath.Join(dataDir, "pki", "slipway.kubeconfig")}
	cleanUp(t, "kubectl", "delete", "configmap", "by-deployer", "--ignore-not-found")
	newNamespace(t, "elsewhere")
	for _, c := range []struct {
		args string
		may  bool
	}{
		{"--as " + deployer + " create configmap by-deployer", true},
		{"--as " + deployer + " -n elsewhere create configmap by-deployer", false},
		{"--as " + deployer + " create role by-deployer --verb get --resource secrets", false},
		{"--as " + deployer + " create token default", false},
		{"--as system:serviceaccount:kube-system:generic-garbage-collector create configmap by-other", false},
		{"--as system:admin create configmap by-other", false},
		{"create token default", false},
		{"create deployment by-server --image busybox", false},
	} {
		out, err := slipway(t, append(server, strings.Fields(c.args)...)...)
		if (err == nil) != c.may || err != nil && !strings.Contains(strings.ToLower(out), "forbidden") {
			t.Errorf("the server: %s: %v, may: %t\n%s", c.args, err, c.may, out)
		}
	}

	token := func(audience string) string {
		return strings.TrimSpace(must(t, "kubectl", "create", "token", "default", "--audience", audience))
	}
	if _, granted := scoped(t, token(api.RegistryHost), "repository:default/any:pull,push"); granted != "repository:default/any:pull" {
		t.Errorf("a pod is granted %q", granted)
	}
	if _, granted := scoped(t, token(api.RegistryHost), "repository:elsewhere/any:pull"); granted != "" {
		t.Errorf("a pod is granted %q of another namespace", granted)
	}
	for _, audience := range []string{"somebody.else", "https://kubernetes.default.svc.cluster.local"} {
		scope := url.QueryEscape("repository:default/any:pull")
		if resp := registryCall(t, "GET", "/registry/token?service="+api.RegistryHost+"&scope="+scope, "Basic", token(audience)); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("a token for %s: %s", audience, resp.Status)
		}
	}
}

// TestSecondServer on a data directory in use refuses, by name, and harms nothing.
func TestSecondServer(t *testing.T) {
	together(t)
	out, err := slipway(t, "server", "--data-dir", dataDir)
	if err == nil || !strings.Contains(out, "server-running") || !strings.Contains(out, "--data-dir") || strings.Contains(out, "port-taken") {
		t.Errorf("%v\n%s", err, out)
	}
	must(t, "status")
}
