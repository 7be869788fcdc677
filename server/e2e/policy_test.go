package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManifestsCannotReadCIVariables: a manifest of a tenant is applied as its deployer;
// neither it nor anybody's can name a Secret of the pipelines, become the deployer, or
// speak in another's name (threats 7, 11 and 14). The controls differ in that only.
func TestManifestsCannotReadCIVariables(t *testing.T) {
	together(t)
	const deployer, developer = "system:serviceaccount:default:slipway-deployer", "mallory"
	pod := func(spec string) string {
		return `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "default"}, "spec": ` + spec + `}`
	}
	const one = `"containers": [{"name": "c", "image": "busybox"}]`
	container := func(extra string) string { return `{"containers": [{"name": "c", "image": "busybox", ` + extra + `}]}` }
	template := func(spec string) string { return `{"metadata": {"labels": {"a": "b"}}, "spec": ` + spec + `}` }
	envFrom := func(secret string) string { return container(`"envFrom": [{"secretRef": {"name": "` + secret + `"}}]`) }
	run := func(kind, spec string) string {
		return `{"apiVersion": "slipway.dev/v1alpha1", "kind": "` + kind + `", "metadata": {"name": "x-1", "namespace": "default"}, "spec": ` + spec + `}`
	}
	const spec = `"repository": "x", "ref": "refs/heads/main", "commit": "0123456789012345678901234567890123456789", "sequence": 1, "cause": "api"`
	for name, c := range map[string]struct{ as, object, with, without string }{
		"env": {deployer, pod(container(`"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "SECRET", "key": "value"}}}]`)), "ci-variable-0", "mine"},
		"env of an init container": {deployer, pod(`{` + one + `, "initContainers": [{"name": "i", "image": "busybox",
			"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "SECRET", "key": "value"}}}]}]}`), "ci-variable-0", "mine"},
		"envFrom":          {deployer, pod(envFrom("SECRET")), "ci-variable-0", "mine"},
		"a job's":          {deployer, pod(envFrom("SECRET")), "ci-job-x-1-a-1", "mine"},
		"by an admin":      {"", pod(envFrom("SECRET")), "ci-variable-0", "mine"},
		"volume":           {deployer, pod(`{` + one + `, "volumes": [{"name": "v", "secret": {"secretName": "SECRET"}}]}`), "ci-variable-0", "mine"},
		"projected volume": {deployer, pod(`{` + one + `, "volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "m"}}, {"secret": {"name": "SECRET"}}]}}]}`), "ci-variable-0", "mine"},
		"imagePullSecrets": {deployer, pod(`{` + one + `, "imagePullSecrets": [{"name": "SECRET"}]}`), "ci-variable-0", "mine"},
		"deployment": {deployer, `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "default"},
			"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": ` + template(envFrom("SECRET")) + `}}`, "ci-variable-0", "mine"},
		"cron job": {deployer, `{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x", "namespace": "default"}, "spec": {"schedule": "0 0 * * *",
			"jobTemplate": {"spec": {"template": ` + template(strings.Replace(envFrom("SECRET"), "{", `{"restartPolicy": "Never", `, 1)) + `}}}}`, "ci-variable-0", "mine"},
		"deployer's account": {deployer, pod(`{` + one + `, "serviceAccountName": "SECRET", "automountServiceAccountToken": true}`), "slipway-deployer", "default"},
		"deployer's token": {deployer, `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "default",
			"annotations": {"kubernetes.io/service-account.name": "slipway-deployer"}}, "type": "SECRET"}`, "kubernetes.io/service-account-token", "Opaque"},
		"secret of a variable":     {deployer, `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "SECRET", "namespace": "default"}}`, "ci-variable-0", "mine"},
		"run of another":           {developer, run("Run", `{`+spec+`, "by": "SECRET"}`), "admin", developer},
		"action of another":        {developer, run("Run", `{`+spec+`, "by": "mallory", "actions": [{"verb": "approve", "job": "x", "by": "SECRET", "at": "2026-01-02T03:04:05.000000Z"}]}`), "admin", developer},
		"run of nobody":            {developer, run("Run", `{`+spec+`SECRET}`), ``, `, "by": "mallory"`},
		"schedule of another":      {developer, run("Schedule", `{"repository": "x", "ref": "main", "cron": "0 0 * * *", "by": "SECRET"}`), "admin", developer},
		"service with an external": {deployer, `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "default"}, "spec": {"ports": [{"port": 8443}]SECRET}}`, `, "externalIPs": ["10.41.0.1"]`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			try := func(word string) (string, error) {
				file := filepath.Join(t.TempDir(), "object.json")
				if err := os.WriteFile(file, []byte(strings.ReplaceAll(c.object, "SECRET", word)), 0o600); err != nil {
					t.Fatal(err)
				}
				args := []string{"kubectl", "create", "--dry-run=server", "-f", file}
				if c.as != "" {
					args = append(args, "--as="+c.as)
				}
				if c.as == developer {
					args = append(args, "--as-group=slipway:default:developers")
				}
				return slipway(t, args...)
			}
			if out, err := try(c.without); err != nil {
				t.Errorf("the control, %s, is refused: %s", c.without, out)
			}
			out, err := try(c.with)
			if err == nil || !strings.Contains(out, "ValidatingAdmissionPolicy 'slipway-") && !strings.Contains(out, "externalIPs") {
				t.Errorf("%s: want a refusal by policy, have %v: %s", c.with, err, out)
			}
		})
	}
}
