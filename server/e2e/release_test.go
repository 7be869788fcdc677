package e2e

import (
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 1
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: busybox
        command: [sh, -c, "echo started; exec httpd -f -p 8080"]
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
`

func manifest(name string) string { return strings.ReplaceAll(web, "NAME", name) }

// TestRefusedManifests fail their release before anything changes.
func TestRefusedManifests(t *testing.T) {
	together(t)
	for name, tc := range map[string]struct{ manifest, want string }{
		"invalid":    {strings.Replace(manifest("refused"), "replicas: 1", "replicas: many", 1), "replicas"},
		"namespace":  {strings.Replace(manifest("refused"), "metadata: {name: refused}", "metadata: {name: refused, namespace: no-such-place}", 1), "no-such-place"},
		"privileged": {strings.Replace(manifest("refused"), "image: busybox", "image: busybox\n        securityContext: {privileged: true}", 1), "privileged"},
		"hostpath":   {strings.Replace(manifest("refused"), "      containers:", "      volumes: [{name: h, hostPath: {path: /}}]\n      containers:", 1), "hostPath"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t, "refused-"+name, map[string]string{"deploy/web.yaml": tc.manifest})
			r.push()
			rel, err := user.WaitRelease(t.Context(), r.name+"-1")
			if err != nil {
				t.Fatal(err)
			}
			if rel.Status.Result != api.ReleaseFailed || !strings.Contains(rel.Status.Reason, tc.want) {
				t.Errorf("result %s, reason %q, want %q in it", rel.Status.Result, rel.Status.Reason, tc.want)
			}
			if out, err := slipway(t, "kubectl", "get", "deployment", "refused"); err == nil {
				t.Errorf("something changed: %s", out)
			}
		})
	}
}

// TestManifestsWithoutPipeline are synchronised by the push alone, pruned when
// they leave the repository, and their log lines stay searchable.
func TestManifestsWithoutPipeline(t *testing.T) {
	together(t)
	r := newRepo(t, "plain", map[string]string{
		"deploy/web.yaml":    manifest("plain"),
		"deploy/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain-config}\ndata: {a: b}\n",
	})
	r.push()
	if _, err := user.WaitApp(t.Context(), r.name, 1); err != nil {
		t.Fatal(err)
	}
	must(t, "kubectl", "get", "configmap", "plain-config")
	r.git("rm", "--quiet", "deploy/config.yaml")
	r.push()
	if _, err := user.WaitApp(t.Context(), r.name, 2); err != nil {
		t.Fatal(err)
	}
	if out, err := slipway(t, "kubectl", "get", "configmap", "plain-config"); err == nil {
		t.Errorf("not pruned: %s", out)
	}
	must(t, "app", "delete", r.name)
}
