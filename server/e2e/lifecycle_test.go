package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// noRun is a pipeline file that runs nothing: the push alone is what counts.
const noRun = "workflow: {rules: [{when: never}]}\nx: {script: [echo]}\n"

// slow is a Deployment that takes a moment to become ready.
const slow = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: chain-db}
spec:
  replicas: 1
  selector: {matchLabels: {app: chain-db}}
  template:
    metadata: {labels: {app: chain-db}}
    spec:
      containers:
      - name: db
        image: busybox
        command: [sh, -c, "sleep 3; echo VERSION; touch /tmp/ready; exec sleep 1000000"]
        readinessProbe: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1}
`

func config(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {value: %q}\n", name, value)
}

// as runs a verb with the token of somebody.
func as(t *testing.T, token string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), "SLIPWAY_DATA_DIR="+dataDir, "SLIPWAY_TOKEN="+token)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func application(t *testing.T, name string) *api.Application {
	t.Helper()
	app := &api.Application{}
	if err := user.Call(t.Context(), "GET", user.Path("applications", name), nil, app); err != nil {
		t.Fatal(err)
	}
	return app
}

// becomes waits for an application to be as wanted.
func becomes(t *testing.T, name, what string, seen func(*api.Application) bool) *api.Application {
	t.Helper()
	var app *api.Application
	eventually(t, func() error {
		if app = application(t, name); !seen(app) {
			return fmt.Errorf("application %s: %s: it is %+v", name, what, app.Status)
		}
		return nil
	})
	return app
}

// TestOrderAndPromotion: what is needed is released first; a release is promoted after
// an approval by another, which survives the server; and nobody gets around that.
func TestOrderAndPromotion(t *testing.T) {
	alone(t)
	r := newRepo(t, "chain", map[string]string{
		".gitlab-ci.yml": noRun, "db/db.yaml": strings.Replace(slow, "VERSION", "one", 1),
		"web/web.yaml": config("chain-web", "one"), "prod/prod.yaml": config("chain-prod", "one"),
	})
	for _, app := range []string{"chain-prod", "chain-web", "chain-db"} {
		cleanUp(t, "kubectl", "delete", "application.slipway.dev", app, "--ignore-not-found", "--timeout=5m")
	}
	must(t, "app", "create", "chain-web", "--repo", "chain", "--path", "web", "--needs", "chain-db")
	must(t, "app", "create", "chain-prod", "--repo", "chain", "--path", "prod", "--promoted-from", "chain-web", "--approvals", "1")
	if out, err := slipway(t, "app", "create", "chain-db", "--repo", "chain", "--path", "db", "--needs", "chain-web"); err == nil || !strings.Contains(out, "needs form a cycle: chain-db -> chain-web -> chain-db") {
		t.Fatalf("a cycle: %v %s", err, out)
	}
	r.push()
	becomes(t, "chain-web", "waits for what is not there", func(a *api.Application) bool {
		return a.Status.Waiting != nil && strings.Contains(a.Status.Message, "chain-db, which does not exist")
	})
	must(t, "app", "create", "chain-db", "--repo", "chain", "--path", "db")
	ordered := func(db, web int64) {
		t.Helper()
		if _, err := user.WaitApp(within(t), "chain-web", web); err != nil {
			t.Fatal(err)
		}
		need, err := user.WaitRelease(t.Context(), fmt.Sprintf("chain-db-%d", db))
		if err != nil {
			t.Fatal(err)
		}
		after, err := user.WaitRelease(t.Context(), fmt.Sprintf("chain-web-%d", web))
		if err != nil {
			t.Fatal(err)
		}
		if need.Status.Result != api.ReleaseHealthy || after.Status.StartedAt.Before(need.Status.FinishedAt) {
			t.Errorf("chain-web began at %s, chain-db was %s at %s", after.Status.StartedAt, need.Status.Result, need.Status.FinishedAt)
		}
	}
	ordered(1, 1)
	// One push changes both.
	r.write(map[string]string{"db/db.yaml": strings.Replace(slow, "VERSION", "two", 1), "web/web.yaml": config("chain-web", "two"), "prod/prod.yaml": config("chain-prod", "two")})
	r.push()
	ordered(2, 2)
	if out := must(t, "app", "diff", "chain-web", "--release", "2"); !strings.Contains(out, "+  value: two") || !strings.Contains(out, "release 2 (commit") {
		t.Errorf("diff of releases:\n%s", out)
	}

	ann := strings.TrimSpace(must(t, "token", "create", "ann", "--role", "slipway-developer"))
	bob := strings.TrimSpace(must(t, "token", "create", "bob", "--role", "slipway-maintainer"))
	if out, err := as(t, ann, "app", "promote", "chain-web", "--to", "chain-db"); err == nil || !strings.Contains(out, "takes no promotions") {
		t.Errorf("promoted to what takes none: %v %s", err, out)
	}
	if out, err := as(t, ann, "app", "promote", "chain-web", "--to", "chain-prod"); err != nil {
		t.Fatal(out)
	}
	if out, err := as(t, ann, "app", "approve", "chain-prod"); err == nil || !strings.Contains(out, "may not approve") {
		t.Errorf("approved by who asked: %v %s", err, out)
	}
	if out, err := as(t, bob, "app", "promote", "chain-web", "--to", "chain-prod", "--release", "1"); err != nil {
		t.Fatal(out)
	}
	if out, err := as(t, bob, "app", "approve", "chain-prod", "--promotion", "chain-prod-p2"); err == nil || !strings.Contains(out, "somebody else has to approve") {
		t.Errorf("a maintainer approved what they asked for: %v %s", err, out)
	}
	must(t, "app", "reject", "chain-prod", "--promotion", "chain-prod-p2")

	// Around it, with kubectl, and with the deletion of the application.
	developer := []string{"--as=ann", "--as-group=slipway:default:developers"}
	for name, args := range map[string][]string{
		"desired":   {"patch", "application.slipway.dev", "chain-prod", "--type=merge", "-p", `{"spec":{"desired":{"commit":"0123456789012345678901234567890123456789","sequence":9}}}`},
		"no policy": {"patch", "application.slipway.dev", "chain-prod", "--type=merge", "-p", `{"spec":{"promotion":null}}`},
		"deletion":  {"delete", "application.slipway.dev", "chain-prod"},
		"in another's name": {"create", "-f", writeFile(t, `{"apiVersion":"slipway.dev/v1alpha1","kind":"Promotion","metadata":{"name":"x","namespace":"default"},
			"spec":{"from":"chain-web","to":"chain-prod","release":2,"by":"bob"}}`)},
		"forks": {"create", "-f", writeFile(t, `{"apiVersion":"slipway.dev/v1alpha1","kind":"ApplicationSet","metadata":{"name":"x","namespace":"default"},
			"spec":{"repository":"chain","generators":[{"mergeRequests":{"forks":"always"}}],"template":{"name":"x-{{number}}","spec":{},"preview":{}}}}`)},
	} {
		out, err := slipway(t, append(append([]string{"kubectl"}, args...), developer...)...)
		if err == nil || !strings.Contains(out, "ValidatingAdmissionPolicy 'slipway-") {
			t.Errorf("%s: want a refusal by policy, have %v: %s", name, err, out)
		}
	}
	must(t, append([]string{"kubectl", "patch", "application.slipway.dev", "chain-prod", "--type=merge", "-p", `{"spec":{"healthDeadline":"2m"}}`}, developer...)...)
	if got := status(t, http.MethodDelete, user.Server+user.Path("applications", "chain-prod"), ann); got != http.StatusForbidden {
		t.Errorf("deleted by a developer: %d", got)
	}

	kill(t)
	if app := application(t, "chain-prod"); app.Spec.Desired != nil {
		t.Fatalf("it did not wait: %+v", app.Spec.Desired)
	}
	if out, err := as(t, bob, "app", "approve", "chain-prod"); err != nil {
		t.Fatal(out)
	}
	if _, err := user.WaitApp(within(t), "chain-prod", 1); err != nil {
		t.Fatal(err)
	}
	rel, err := user.WaitRelease(t.Context(), "chain-prod-1")
	if err != nil {
		t.Fatal(err)
	}
	if d := rel.Spec.Desired; d.Commit != r.head() || d.By != "ann" || d.Cause != api.CausePromotion || d.Promotion != "chain-prod-p1" {
		t.Errorf("%+v", d)
	}
	if out := must(t, "app", "promotions", "chain-prod"); !strings.Contains(out, "Promoted") || !strings.Contains(out, "bob") || !strings.Contains(out, "Rejected") {
		t.Errorf("promotions:\n%s", out)
	}
	if out := must(t, "kubectl", "get", "configmap", "chain-prod", "-o", "jsonpath={.data.value}"); out != "two" {
		t.Errorf("it has %q", out)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "object.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const previewSet = `apiVersion: slipway.dev/v1alpha1
kind: ApplicationSet
metadata: {name: previews}
spec:
  repository: seen
  generators:
  - branches: {include: [feature/*]}
  template:
    name: seen-{{branch.slug}}
    spec:
      source: {path: web}
      healthDeadline: 1m
    preview: {quota: {pods: "5"}}
`

// TestPreviewOfABranch has a namespace of its own, with everything in it that goes with
// the branch; and nothing of it is applied anywhere else.
func TestPreviewOfABranch(t *testing.T) {
	together(t)
	r := newRepo(t, "seen", map[string]string{
		".gitlab-ci.yml": noRun,
		"web/web.yaml":   manifest("seen") + "---\napiVersion: v1\nkind: Service\nmetadata: {name: seen}\nspec: {type: NodePort, selector: {app: seen}, ports: [{port: 8080}]}\n",
		"web/claim.yaml": "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: left}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n",
	})
	cleanUp(t, "kubectl", "delete", "applicationset", "previews", "--ignore-not-found", "--timeout=5m")
	r.push()
	must(t, "appset", "create", "-f", writeFile(t, previewSet))
	if out, err := slipway(t, "appset", "create", "-f", writeFile(t, strings.Replace(previewSet, "{{branch.slug}}", "{{brnch}}", 1))); err == nil || !strings.Contains(out, "placeholder {{brnch}} is not known here") {
		t.Errorf("a typing error: %v %s", err, out)
	}
	r.git("push", "--quiet", r.url(), "HEAD:feature/A")
	set := &api.ApplicationSet{}
	shown := func() []api.GeneratedApplication {
		*set = api.ApplicationSet{}
		if err := user.Call(t.Context(), "GET", user.Path("applicationsets", "previews"), nil, set); err != nil {
			t.Fatal(err)
		}
		return set.Status.Applications
	}
	var made api.GeneratedApplication
	eventually(t, func() error {
		if list := shown(); len(list) == 1 && list[0].Health == "Healthy" && len(list[0].Addresses) == 1 {
			made = list[0]
			return nil
		}
		return fmt.Errorf("the set has %+v", set.Status)
	})
	if made.Name != "seen-feature-a" || made.Branch != "feature/A" || !strings.HasPrefix(made.Namespace, "default-seen-feature-a-") {
		t.Errorf("%+v", made)
	}
	if out := must(t, "appset", "get", "previews"); !strings.Contains(out, made.Addresses[0]) {
		t.Errorf("no address in\n%s", out)
	}
	eventually(t, func() error {
		resp, err := http.Get(made.Addresses[0])
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	for what, want := range map[string]string{"deployments,services,persistentvolumeclaims": "seen", "resourcequotas": "slipway-preview", "serviceaccounts": "slipway-deployer"} {
		if out := must(t, "kubectl", "-n", made.Namespace, "get", what, "-o", "name"); !strings.Contains(out, want) {
			t.Errorf("%s of the preview: %s", what, out)
		}
	}
	if out := must(t, "kubectl", "get", "deployments,services", "-l", api.LabelApplication+"="+made.Name, "-o", "name"); strings.TrimSpace(out) != "" {
		t.Errorf("in the tenant's own namespace: %s", out)
	}
	deployer := "--as=system:serviceaccount:" + made.Namespace + ":slipway-deployer"
	if out, err := slipway(t, "kubectl", "auth", "can-i", "create", "pods", deployer); err == nil {
		t.Errorf("its deployer writes in the tenant's namespace: %s", out)
	}

	// The branch goes, and all of it: the claim too, which no prune removes.
	r.git("push", "--quiet", r.url(), ":feature/A")
	eventually(t, func() error {
		if out, err := slipway(t, "kubectl", "get", "namespace", made.Namespace); err == nil {
			return fmt.Errorf("still there: %s; the set has %+v", out, shown())
		}
		if list := shown(); len(list) > 0 {
			return fmt.Errorf("still shown: %+v", list)
		}
		return nil
	})
	if out, err := slipway(t, "kubectl", "get", "application.slipway.dev,rolebindings", "-l", api.LabelApplicationSet+"=previews", "-o", "name"); err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("left: %v %s", err, out)
	}
}

// TestImagesAreWrittenBack: once healthy, the digest is in Git as a commit that no run is
// made of, and it does not keep the next one from being released.
func TestImagesAreWrittenBack(t *testing.T) {
	together(t)
	r := fromExample(t, "backed", "hello")
	manifests, err := filepath.Glob(filepath.Join(r.dir, "deploy", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range manifests {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "hello", "backed")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r.push()
	if run := r.finished(); run.Status.Phase != api.Succeeded {
		t.Fatalf("%s: %s", run.Status.Phase, run.Status.Message)
	}
	before := r.head()
	must(t, "kubectl", "patch", "application.slipway.dev", "backed", "--type=merge", "-p", `{"spec":{"writeBack":{"images":true,"rollback":true}}}`)
	digest := func() string {
		d := application(t, "backed").Spec.Desired
		if len(d.Images) != 1 || d.Images[0].Commit == "" || d.Images[0].Run == "" {
			t.Fatalf("%+v", d)
		}
		return d.Images[0].Digest
	}
	written := func(release int64) string {
		t.Helper()
		app := becomes(t, "backed", "written back", func(a *api.Application) bool {
			return a.Status.WrittenBack != nil && a.Status.WrittenBack.Release == release
		})
		commit := app.Status.WrittenBack.Commit
		r.git("pull", "--quiet", "--rebase", r.url(), "main")
		if got := strings.TrimSpace(r.git("rev-parse", "HEAD")); got != commit {
			t.Errorf("main is %s, written was %s", got, commit)
		}
		if out := r.git("grep", "--fixed-strings", "@"+digest(), "--", "deploy"); strings.Count(out, "\n") != 1 {
			t.Errorf("the digest is in\n%s", out)
		}
		if runs := r.runsOf(commit); len(runs) > 0 {
			t.Errorf("runs %v of the server's own commit", runs)
		}
		r.seq++ // its number is used up
		return commit
	}
	first := digest()
	if written(1) == before {
		t.Fatal("nothing was written")
	}
	r.write(map[string]string{"index.html": "another page\n"})
	r.push()
	if run := r.finished(); run.Status.Phase != api.Succeeded {
		t.Fatalf("%s: %s", run.Status.Phase, run.Status.Message)
	}
	if second := digest(); second == first {
		t.Fatal("the image is the same")
	}
	if out := must(t, "kubectl", "get", "deployment", "backed", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); !strings.HasSuffix(out, digest()) {
		t.Errorf("%s runs, and not %s", out, digest())
	}
	written(2)

	// A rollback is a revert in Git, and holds when the pin ends.
	must(t, "app", "rollback", "backed", "1")
	app := becomes(t, "backed", "reverted in Git, and that desired", func(a *api.Application) bool {
		w := a.Status.WrittenBack
		return w.Pin == 1 && a.Spec.Desired.Commit == w.Commit && a.Spec.Desired.Cause == api.CauseRollback
	})
	if got := r.head(); got != app.Status.WrittenBack.Commit || digest() != first {
		t.Errorf("main is %s, and desired %+v", got, app.Spec.Desired)
	}
	must(t, "app", "unpin", "backed")
	becomes(t, "backed", "released as reverted", func(a *api.Application) bool {
		return a.Status.Current == 3 && a.Status.Health == "Healthy" && a.Status.Sync == "Synced"
	})
	if out := must(t, "kubectl", "get", "deployment", "backed", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); !strings.HasSuffix(out, first) {
		t.Errorf("%s runs, and not %s", out, first)
	}
}
