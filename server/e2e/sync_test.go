package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	api "slipway.dev/cluster/api/v1alpha1"
)

const hookJob = `---
apiVersion: batch/v1
kind: Job
metadata: {name: NAME, annotations: {NOTES}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: m, image: busybox, command: [sh, -c, "COMMAND"]}]
`

func hookOf(name, command, notes string) string {
	return strings.NewReplacer("NAME", name, "COMMAND", command, "NOTES", notes).Replace(hookJob)
}

// setting is a ConfigMap; its wave is that of the annotation.
func setting(name, value, wave string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, annotations: {argocd.argoproj.io/sync-wave: %q}}\ndata: {a: %q}\n", name, wave, value)
}

// value of a ConfigMap; empty if it is not there.
func value(t *testing.T, name string) string {
	t.Helper()
	out, err := slipway(t, "kubectl", "get", "configmap", name, "-o", "jsonpath={.data.a}")
	if err != nil {
		return ""
	}
	return out
}

func releaseOf(t *testing.T, name string) *api.Release {
	t.Helper()
	rel := &api.Release{}
	if err := json.Unmarshal([]byte(must(t, "kubectl", "get", "release", name, "-o", "json")), rel); err != nil {
		t.Fatal(err)
	}
	return rel
}

// TestSync: hooks of real pods around waves, one that fails, drift that is put right
// within seconds, a fight that is not fought, and objects that outlive their application.
func TestSync(t *testing.T) {
	alone(t)
	r := newRepo(t, "waves", nil)
	files := func(pre string) map[string]string {
		return map[string]string{
			"deploy/all.yaml": manifest("waves") + setting("waves-first", "one", "-1") + setting("waves-last", "one", "3") +
				hookOf("waves-pre", pre, "argocd.argoproj.io/hook: PreSync, argocd.argoproj.io/hook-delete-policy: 'BeforeHookCreation,HookSucceeded'") +
				hookOf("waves-post", "echo smoke", "helm.sh/hook: 'post-install,post-upgrade'") +
				hookOf("waves-fail", "echo sorry", "slipway.dev/hook: SyncFail"),
		}
	}
	r.write(files("echo migrated; sleep 1"))
	r.push()
	if _, err := user.WaitApp(within(t), r.name, 1); err != nil {
		t.Fatal(err)
	}
	rel := releaseOf(t, "waves-1")
	var got []string
	for _, h := range rel.Status.Sync.Hooks {
		got = append(got, h.Phase+" "+h.Name+" "+h.State)
	}
	if want := []string{"PreSync waves-pre Succeeded", "PostSync waves-post Succeeded"}; !slices.Equal(got, want) {
		t.Errorf("hooks %q, want %q", got, want)
	}
	if _, err := slipway(t, "kubectl", "get", "job", "waves-pre"); err == nil {
		t.Error("a hook with the policy HookSucceeded is still there")
	}
	must(t, "kubectl", "get", "job", "waves-post")

	// A hook that fails: its log is evidence, the hook for failures runs, nothing changed.
	r.write(files("echo cannot migrate; exit 3"))
	r.push()
	failed, err := user.WaitRelease(within(t), "waves-2")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(failed.Status.Reason, "PreSync hook Job/waves-pre failed") {
		t.Errorf("reason %q", failed.Status.Reason)
	}
	if !slices.ContainsFunc(failed.Status.Evidence, func(e api.Evidence) bool { return e.Kind == "log" && e.Text == "cannot migrate" }) {
		t.Errorf("no log of the hook in %+v", failed.Status.Evidence)
	}
	eventually(t, func() error {
		if h := releaseOf(t, "waves-2").Status.Sync.Hooks; len(h) != 2 || h[1].State != api.HookSucceeded {
			return fmt.Errorf("hooks %+v", h)
		}
		return nil
	})
	if out := must(t, "app", "get", r.name); !strings.Contains(out, "Job/waves-pre") || !strings.Contains(out, "ConfigMap/waves-first") {
		t.Errorf("app get says\n%s", out)
	}
	r.write(files("echo migrated"))
	r.push()
	if _, err := user.WaitApp(within(t), r.name, 3); err != nil {
		t.Fatal(err)
	}

	// Drift, of a kind that has no controller, and a deletion.
	began := time.Now()
	must(t, "kubectl", "patch", "configmap", "waves-first", "-p", `{"data":{"a":"by hand"}}`)
	must(t, "kubectl", "delete", "configmap", "waves-last")
	eventually(t, func() error {
		if value(t, "waves-first") != "one" || value(t, "waves-last") != "one" {
			return errors.New("not put right")
		}
		return nil
	})
	t.Logf("drift seen and put right within %s", time.Since(began).Round(time.Millisecond))

	// Reported only, shown by the dry run, and put right by a person.
	must(t, "app", "set", r.name, "--drift", "report")
	must(t, "kubectl", "patch", "configmap", "waves-first", "-p", `{"data":{"a":"by hand"}}`)
	becomes(t, r.name, "OutOfSync", func(a *api.Application) bool {
		return a.Status.Sync == "OutOfSync" && strings.Contains(a.Status.Message, "ConfigMap/waves-first: .data.a was changed by kubectl")
	})
	if out := must(t, "app", "sync", r.name, "--dry-run", "--only", "ConfigMap/waves-first"); !strings.Contains(out, "-  a: by hand\n+  a: one") || strings.Contains(out, "waves-last") {
		t.Errorf("the dry run says\n%s", out)
	}
	must(t, "app", "sync", r.name)
	becomes(t, r.name, "Synced", func(a *api.Application) bool { return a.Status.Sync == "Synced" })

	fight(t, r.name)

	// Its objects stay, belong to nobody, and are taken over when somebody asks.
	must(t, "app", "delete", r.name, "--cascade=false")
	eventually(t, func() error {
		if _, err := slipway(t, "kubectl", "get", "application", r.name); err == nil {
			return errors.New("still there")
		}
		return nil
	})
	if v := value(t, "waves-last"); v != "one" {
		t.Errorf("an object went with its application: %q", v)
	}
	must(t, "app", "create", r.name)
	becomes(t, r.name, "Failed", func(a *api.Application) bool {
		return strings.Contains(a.Status.Message, "exists already and belongs to no application")
	})
	must(t, "app", "set", r.name, "--adopt")
	must(t, "app", "sync", r.name, "--wait", "--timeout", "5m")
	becomes(t, r.name, "healthy again", func(a *api.Application) bool { return a.Status.Sync == "Synced" && a.Status.Health == "Healthy" })
	must(t, "app", "delete", r.name)
	eventually(t, func() error {
		if value(t, "waves-last") != "" {
			return errors.New("still there")
		}
		return nil
	})
}

// fight has somebody set a value back each time it is put right.
func fight(t *testing.T, application string) {
	t.Helper()
	must(t, "kubectl", "patch", "application", application, "--type=merge", "-p", `{"spec":{"syncOptions":{"drift":"heal"}}}`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opponent := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(
		`while :; do BIN kubectl patch configmap waves-first -p '{"data":{"a":"mine"}}' --field-manager=opponent; sleep 0.3; done`, "BIN", binary))
	opponent.Dir = top
	opponent.Env = append(opponent.Environ(), "SLIPWAY_DATA_DIR="+dataDir)
	if err := opponent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = opponent.Wait() }()
	a := becomes(t, application, "contested", func(a *api.Application) bool {
		return slices.ContainsFunc(a.Status.Drift, func(d api.Drift) bool { return d.Count > 3 && !d.Healed })
	})
	if !strings.Contains(a.Status.Message, "stop whoever does it, or name the fields in spec.ignoreDifferences") {
		t.Errorf("message %q", a.Status.Message)
	}
	if out := must(t, "kubectl", "get", "events", "--field-selector", "involvedObject.name="+application); !strings.Contains(out, "DriftHealed") {
		t.Errorf("events\n%s", out)
	}
}
