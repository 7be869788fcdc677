package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	api "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/environments"
)

const reviewApps = `
default: {image: busybox}
deploy:
  script:
    - echo "deploys $CI_COMMIT_SHA to $CI_ENVIRONMENT_NAME ($CI_ENVIRONMENT_SLUG, $CI_ENVIRONMENT_TIER, $CI_ENVIRONMENT_ACTION)"
    - echo "HOST=host-$SLIPWAY_ATTEMPT.example.org" > deploy.env
  artifacts: {reports: {dotenv: deploy.env}}
  environment: {name: review/$CI_COMMIT_REF_SLUG, url: "https://$HOST/$CI_COMMIT_REF_SLUG", on_stop: stop, auto_stop_in: AFTER}
stop:
  stage: deploy
  needs: []
  when: manual
  variables: {GIT_STRATEGY: none}
  script: ['echo "takes $CI_ENVIRONMENT_NAME down ($CI_ENVIRONMENT_ACTION)"']
  environment: {name: review/$CI_COMMIT_REF_SLUG, action: stop}
`

// environment waits for the environment of that name to be as wanted.
func (r *repo) environment(name, what string, seen func(*api.Environment) bool) *api.Environment {
	r.t.Helper()
	env := &api.Environment{}
	eventually(r.t, func() error {
		*env = api.Environment{}
		err := user.Call(r.t.Context(), "GET", user.Path("environments", environments.ObjectName(r.name, name)), nil, env)
		if err == nil && !seen(env) {
			err = fmt.Errorf("%s: it is %+v", what, env.Status)
		}
		return err
	})
	return env
}

func inState(state, run string) func(*api.Environment) bool {
	return func(e *api.Environment) bool { return e.Status.State == state && e.Status.Run == run }
}

// TestEnvironments: what is deployed is listed, stopped by hand, by its branch's end and
// by its time, and deployed again; those who may not are refused.
func TestEnvironments(t *testing.T) {
	together(t)
	r := newRepo(t, "review", map[string]string{".gitlab-ci.yml": strings.Replace(reviewApps, "AFTER", "1 day", 1)})
	push := func(branch string) *api.Run {
		r.commit()
		r.seq++
		r.git("push", "--force", r.url(), "HEAD:"+branch)
		return r.until("it is deployed", is("deploy", api.Succeeded))
	}
	push("main") // the first branch is the default one, which stays
	first := push("fix/A_1")
	const name = "review/fix-a-1"
	env := r.environment(name, "deployed", inState("available", first.Name))
	if s := env.Status; s.Commit != first.Spec.Commit || s.URL != "https://host-1.example.org/fix-a-1" || s.Tier != "development" || s.OnStop != "stop" ||
		s.AutoStopAt == nil || time.Until(s.AutoStopAt.Time) < 23*time.Hour || len(s.History) != 1 {
		t.Errorf("%+v", s)
	}
	if js := jobOf(first, "deploy"); js.Environment != name || js.EnvironmentURL != env.Status.URL {
		t.Errorf("%+v", js)
	}
	if log := r.log("deploy"); !strings.Contains(log, "to review/fix-a-1 (review-fix-a-1-") || !strings.Contains(log, ", development, start)") {
		t.Errorf("its variables:\n%s", log)
	}
	for _, want := range []string{name, "available", first.Spec.Commit[:8], first.Name, env.Status.URL} {
		if list := must(t, "environment", "list"); !slices.Contains(strings.Fields(list), want) {
			t.Errorf("no %q in\n%s", want, list)
		}
	}

	// A viewer reads, and nothing more.
	viewer := strings.TrimSpace(must(t, "token", "create", "onlooker", "--role", "slipway-viewer"))
	base := user.Server + "/api/v1/namespaces/default/environments"
	for _, c := range []struct {
		method, path, token string
		want                int
	}{
		{"GET", "", viewer, http.StatusOK}, {"GET", "/" + env.Name, viewer, http.StatusOK}, {"GET", "", "wrong", http.StatusUnauthorized},
		{"POST", "/" + env.Name + "/stop", viewer, http.StatusForbidden}, {"POST", "/" + env.Name + "/redeploy", viewer, http.StatusForbidden},
		{"DELETE", "/" + env.Name, viewer, http.StatusForbidden}, {"POST", "/" + env.Name + "/stop", "", http.StatusUnauthorized},
	} {
		if got := status(t, c.method, base+c.path, c.token); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got, c.want)
		}
	}

	// Stopped by hand: the job runs in the run that deployed last.
	second := push("fix/A_1")
	r.environment(name, "deployed anew", inState("available", second.Name))
	must(t, "environment", "stop", "--repo", r.name, name)
	r.environment(name, "stopped by hand", inState("stopped", second.Name))
	if log := r.log("stop"); !strings.Contains(log, "takes review/fix-a-1 down (stop)") {
		t.Errorf("stop:\n%s", log)
	}
	if out, err := slipway(t, "environment", "stop", env.Name); err == nil || !strings.Contains(out, "stopped already") {
		t.Errorf("stopped twice: %v %s", err, out)
	}

	// The earlier deployment again.
	must(t, "environment", "redeploy", "--repo", r.name, name, "--run", first.Name)
	env = r.environment(name, "deployed again", inState("available", first.Name))
	if s := env.Status; s.Commit != first.Spec.Commit || s.URL != "https://host-2.example.org/fix-a-1" || len(s.History) != 3 || s.History[0].Run != first.Name {
		t.Errorf("%+v", s)
	}
	if out, err := slipway(t, "environment", "redeploy", env.Name, "--run", "none-1"); err == nil || !strings.Contains(out, "did not deploy to it") {
		t.Errorf("deployed from nowhere: %v %s", err, out)
	}

	// The branch ends, and what it deployed with it.
	r.git("push", r.url(), ":fix/A_1")
	r.seq++ // a number is used up, though no run is made
	r.environment(name, "stopped with its branch", inState("stopped", first.Name))
	r.untilRun(first.Name, "its stop job ran", is("stop", api.Succeeded))

	// Its time passes.
	r.write(map[string]string{".gitlab-ci.yml": strings.Replace(reviewApps, "AFTER", "5 seconds", 1)})
	short := push("short")
	env = r.environment("review/short", "stopped by its time", inState("stopped", short.Name))
	stop := jobOf(r.until("its stop job ran", is("stop", api.Succeeded)), "stop")
	if after := stop.StartedAt.Sub(env.Status.DeployedAt.Time); stop.By != environments.ByItself || after < 4*time.Second {
		t.Errorf("by %q, %s after the deployment", stop.By, after)
	}
}
