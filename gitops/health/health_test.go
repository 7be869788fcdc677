package health

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	require.NoError(t, o.UnmarshalJSON(data)) // whole numbers as int64, as from the apiserver
	return o
}

func TestRules(t *testing.T) {
	for _, c := range []struct{ name, object, health, message string }{
		{"claim waits", "{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Pending}}", Current, ""},
		{"service waits", "{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}}", Current, ""},
		{"pod failed", "{apiVersion: v1, kind: Pod, status: {phase: Failed, reason: Evicted, message: low memory}}", Failed, "Evicted: low memory"},
		{"pod done", "{apiVersion: v1, kind: Pod, status: {phase: Succeeded}}", Current, ""},
		{"job runs", "{apiVersion: batch/v1, kind: Job, status: {startTime: now, active: 1}}", InProgress, "active: 1"},
		{"job done", "{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Complete, status: 'True'}]}}", Current, ""},
		{"job failed", "{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Failed, status: 'True', reason: BackoffLimitExceeded}]}}", Failed, "BackoffLimitExceeded"},
		{"job suspended", "{apiVersion: batch/v1, kind: Job, spec: {suspend: true}}", Current, "suspended"},
		{"controller", "{apiVersion: v1, kind: ReplicationController, spec: {replicas: 2}, status: {readyReplicas: 1}}", InProgress, "1/2"},
		{"cron job", "{apiVersion: batch/v1, kind: CronJob}", Current, ""},
		{"ingress", "{apiVersion: networking.k8s.io/v1, kind: Ingress}", Current, ""},
		{"deleted", "{apiVersion: batch/v1, kind: Job, metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}", Terminating, ""},
		{"application", "{apiVersion: slipway.dev/v1alpha1, kind: Application, status: {health: Healthy, sync: Synced}}", Current, ""},
		{"application failed", "{apiVersion: slipway.dev/v1alpha1, kind: Application, status: {health: Healthy, sync: Failed, message: release 2 failed}}", Failed, "release 2 failed"},
		{"application rolls", "{apiVersion: slipway.dev/v1alpha1, kind: Application, status: {health: Progressing, sync: OutOfSync}}", InProgress, ""},
		{"application without a push", "{apiVersion: slipway.dev/v1alpha1, kind: Application, status: {health: Unknown, sync: OutOfSync}}", Current, ""},
		{"run", "{apiVersion: slipway.dev/v1alpha1, kind: Run, status: {phase: Running}}", InProgress, ""},
		{"run failed", "{apiVersion: slipway.dev/v1alpha1, kind: Run, status: {phase: Canceled}}", Failed, "Canceled"},
		{"repository", "{apiVersion: slipway.dev/v1alpha1, kind: Repository, status: {conditions: [{type: Ready, status: 'False', reason: Unreachable}]}}", Failed, "Unreachable"},
		{"task run", "{apiVersion: tekton.dev/v1, kind: TaskRun, status: {conditions: [{type: Succeeded, status: Unknown, reason: Running}]}}", InProgress, "Running"},
		{"pipeline run", "{apiVersion: tekton.dev/v1, kind: PipelineRun, status: {conditions: [{type: Succeeded, status: 'False', reason: Failed}]}}", Failed, ""},
		{"any kind with Ready", "{apiVersion: example.com/v1, kind: Thing, status: {conditions: [{type: Ready, status: 'False', message: not yet}]}}", InProgress, "not yet"},
		{"any kind without", "{apiVersion: example.com/v1, kind: Thing}", Current, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var checks *Checks
			health, message := checks.Compute(object(t, c.object))
			require.Equal(t, c.health, health, message)
			require.Contains(t, message, c.message)
		})
	}
}

func TestHooksFinish(t *testing.T) {
	for _, c := range []struct {
		name, object string
		done, good   bool
	}{
		{"job", "{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Complete, status: 'True'}]}}", true, true},
		{"job runs", "{apiVersion: batch/v1, kind: Job, status: {active: 1}}", false, false},
		{"pod that ends runs", "{apiVersion: v1, kind: Pod, spec: {restartPolicy: Never}, status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}}", false, false},
		{"pod that serves", "{apiVersion: v1, kind: Pod, status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}}", true, true},
		{"pod failed", "{apiVersion: v1, kind: Pod, status: {phase: Failed}}", true, false},
		{"config map", "{apiVersion: v1, kind: ConfigMap}", true, true},
		{"deleted", "{apiVersion: batch/v1, kind: Job, metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var checks *Checks
			done, good, why := checks.Finished(object(t, c.object))
			require.Equal(t, []bool{c.done, c.good}, []bool{done, good}, why)
		})
	}
}

func TestExpressions(t *testing.T) {
	checks, err := Compile([]v1alpha1.HealthCheck{{
		Group: "example.com", Kind: "Database",
		Healthy:     `status.phase == "Ready" && self.metadata.name.startsWith("db")`,
		Progressing: `status.phase == "Creating"`,
		Failed:      `status.?phase.orValue("") == "Broken"`,
		Message:     `"replicas: " + string(status.replicas)`,
	}})
	require.NoError(t, err)
	for _, c := range []struct{ name, status, health, message string }{
		{"healthy", "{phase: Ready, replicas: 3}", Current, "replicas: 3"},
		{"progressing", "{phase: Creating, replicas: 0}", InProgress, "replicas: 0"},
		{"failed", "{phase: Broken, replicas: 1}", Failed, "replicas: 1"},
		{"nothing holds", "{phase: Odd}", InProgress, "no expression"},
		{"no status yet", "{}", InProgress, "no such key: phase"},
		{"controller lags", "{phase: Ready, observedGeneration: 1}", InProgress, "generation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			health, message := checks.Compute(object(t, "{apiVersion: example.com/v1, kind: Database, metadata: {name: db, generation: 2}, status: "+c.status+"}"))
			require.Equal(t, c.health, health, message)
			require.Contains(t, message, c.message)
		})
	}
}

func TestExpressionsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		check v1alpha1.HealthCheck
		want  string
	}{
		{"syntax", v1alpha1.HealthCheck{Kind: "A", Healthy: "status.phase =="}, "healthChecks[0].healthy: line 1, column 16"},
		{"unknown name", v1alpha1.HealthCheck{Kind: "A", Healthy: "true", Failed: "!stat.x"}, "healthChecks[0].failed: line 1, column 2: undeclared reference to 'stat'"},
		{"no bool", v1alpha1.HealthCheck{Kind: "A", Healthy: `"yes"`}, "healthChecks[0].healthy: gives a string; want a bool"},
		{"missing", v1alpha1.HealthCheck{Kind: "A"}, "healthChecks[0].healthy: missing"},
		{"too long", v1alpha1.HealthCheck{Kind: "A", Healthy: strings.Repeat("true || ", 300) + "true"}, "expression code point size exceeds limit"},
		{"too deep", v1alpha1.HealthCheck{Kind: "A", Healthy: strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500)}, "recursion"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compile([]v1alpha1.HealthCheck{c.check})
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := Compile([]v1alpha1.HealthCheck{{Kind: "A", Healthy: "true"}, {Kind: "A", Healthy: "true"}})
	require.ErrorContains(t, err, "healthChecks[1]: A has a check already")
}

// TestExpressionsCostLittle: one that would take for ever is cut off and the object is
// not healthy.
func TestExpressionsCostLittle(t *testing.T) {
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 500), ",") + "]"
	checks, err := Compile([]v1alpha1.HealthCheck{{Group: "example.com", Kind: "A",
		Healthy: `spec.l.all(a, spec.l.all(b, spec.l.all(c, spec.l.all(d, a + b + c + d > 0))))`}})
	require.NoError(t, err)
	health, message := checks.Compute(object(t, "{apiVersion: example.com/v1, kind: A, spec: {l: "+list+"}}"))
	require.Equal(t, InProgress, health)
	require.Regexp(t, "cost limit exceeded|interrupted", message)
}

func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{`status.phase == "Ready"`, `self.a.all(x, x > 1)`, `"a" + string(status)`, `[1,2].map(x, x*x)`, `status.?a.orValue(1)`, "((", `"\u`} {
		f.Add(seed)
	}
	live := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "A", "status": map[string]any{"a": []any{int64(1), "x", nil, 1.5}},
	}}
	f.Fuzz(func(t *testing.T, text string) {
		checks, err := Compile([]v1alpha1.HealthCheck{{Group: "example.com", Kind: "A", Healthy: text, Message: text}})
		if err != nil {
			return
		}
		if health, message := checks.Compute(live); health == "" || len(message) > 2000 {
			t.Fatalf("%q gives %q and %d bytes", text, health, len(message))
		}
	})
}
