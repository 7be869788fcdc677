package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestTriggerOfWhoMayNot: a run of another repository is started in the name of whoever
// caused this one, with what they may do then.
func TestTriggerOfWhoMayNot(t *testing.T) {
	together(t)
	cart := newRepo(t, "trigger-cart", map[string]string{".gitlab-ci.yml": `
job: {image: busybox, script: ['echo "for $GITLAB_USER_LOGIN"'], rules: [{if: $CI_PIPELINE_SOURCE == "pipeline"}]}
`})
	cart.push()
	shop := newRepo(t, "trigger-shop", map[string]string{".gitlab-ci.yml": `
early: {stage: build, trigger: {project: default/trigger-cart, strategy: depend}}
late: {stage: test, when: delayed, start_in: 30 seconds, trigger: {project: default/trigger-cart, strategy: depend}}
`})
	token := strings.TrimSpace(must(t, "token", "create", "pat", "--role", "slipway-developer"))
	shop.commit()
	shop.seq++
	if out, err := shop.command(token, "push", shop.url(), "HEAD:main"); err != nil {
		t.Fatal(err, out)
	}
	run := shop.untilRun(shop.run(), "early is over", is("early", api.Succeeded))
	id, _, _ := strings.Cut(strings.TrimPrefix(token, "slw_"), "_")
	must(t, "token", "revoke", id)
	if late := jobOf(shop.untilRun(shop.run(), "late is known", func(*api.Run) bool { return true }), "late"); late.Phase != api.Pending {
		t.Fatalf("late is %s before pat left", late.Phase)
	}
	child := jobOf(run, "early").Child
	if text, err := (kept{cart, child}).Log("job"); err != nil || !strings.Contains(text, "for pat") {
		t.Errorf("the log of %s: %v\n%s", child, err, text)
	}
	late := jobOf(shop.finished(), "late")
	if late.Phase != api.Failed || !strings.Contains(late.Message, "pat may not start runs of repository trigger-cart") {
		t.Errorf("late %+v", late)
	}
	// Somebody who may asks for it again.
	must(t, "run", "retry", shop.run(), "late")
	run = shop.untilRun(shop.run(), "late is done", is("late", api.Succeeded))
	again, err := user.Run(t.Context(), jobOf(run, "late").Child)
	if err != nil || again.Spec.By != "admin" || again.Spec.Repository != "trigger-cart" {
		t.Errorf("%+v %v", again, err)
	}
	if out := must(t, "run", "get", again.Name); !strings.Contains(out, "pipeline run of trigger-cart, which job late of run trigger-shop-1 started") {
		t.Errorf("run get:\n%s", out)
	}
}

// TestChildOnTheServer: what people see of a child, ask of it, and what goes with what.
func TestChildOnTheServer(t *testing.T) {
	together(t)
	r := newRepo(t, "children", map[string]string{
		".gitlab-ci.yml": `
kids: {stage: build, trigger: {include: child.yml, strategy: depend}}
after: {image: busybox, stage: test, script: [echo after]}
`,
		"child.yml": `
first: {image: busybox, script: ['test "$SLIPWAY_ATTEMPT" -gt 1']}
`})
	r.push()
	run := r.finished()
	child := jobOf(run, "kids").Child
	if kids := jobOf(run, "kids"); run.Status.Phase != api.Failed || child != "children-1-kids-c1" || !strings.Contains(kids.Message, `job "first" failed`) {
		t.Fatalf("%s, job %+v", run.Status.Phase, kids)
	}
	for args, want := range map[string]string{
		"run list -o wide":    child + " .* child +admin +children-1\n",
		"run get children-1":  child,
		"run get " + child:    "child run of children, which job kids of run children-1 started",
		"run logs children-1": "It starts run " + child,
	} {
		if out := must(t, strings.Fields(args)...); !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("slipway %s lacks %q:\n%s", args, want, out)
		}
	}
	if out, err := slipway(t, "run", "rerun", child); err == nil || !strings.Contains(out, `retry the job "kids" of that one`) {
		t.Errorf("rerun of a child: %v\n%s", err, out)
	}
	// A job of the child is done again, and its parent goes on with it.
	must(t, "run", "retry", child, "first")
	run = r.untilRun("children-1", "the run succeeds", func(run *api.Run) bool { return run.Status.Phase == api.Succeeded })
	if kids := jobOf(run, "kids"); kids.Attempt != 1 || jobOf(run, "after").Phase != api.Succeeded {
		t.Errorf("job %+v", kids)
	}
	// Nobody can change what a run is a child of.
	if out, err := slipway(t, "kubectl", "patch", "run.slipway.dev", child, "--type", "merge", "-p", `{"spec":{"parent":{"job":"after"}}}`); err == nil || !strings.Contains(out, "immutable") {
		t.Errorf("patch: %v\n%s", err, out)
	}
	must(t, "run", "delete", "children-1")
	eventually(t, func() error { return gone(t, child) })
}

// gone says whether a run is not there any more.
func gone(t *testing.T, run string) error {
	t.Helper()
	err := user.Call(t.Context(), http.MethodGet, user.Path("runs", run), nil, &api.Run{})
	if err != nil && strings.Contains(err.Error(), "not found") {
		return nil
	}
	return fmt.Errorf("run %s is still there: %v", run, err)
}
