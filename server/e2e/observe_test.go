package e2e

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestLogsOutliveTheirPods finds a pod's line after the pod was deleted.
func TestLogsOutliveTheirPods(t *testing.T) {
	must(t, "kubectl", "run", "talker", "--image=busybox", "--restart=Never", "--command", "--", "sh", "-c", "echo a-planted-word; sleep 1")
	eventually(t, time.Minute, func() error {
		if out := must(t, "logs", "a-planted-word"); !strings.Contains(out, "talker/talker a-planted-word") {
			return fmt.Errorf("not found: %s", out)
		}
		return nil
	})
	must(t, "kubectl", "delete", "pod", "talker", "--wait=true", "--grace-period=1")
	if out := must(t, "logs", "--pod", "talker"); !strings.Contains(out, "a-planted-word") {
		t.Errorf("gone with its pod: %s", out)
	}
	if out := must(t, "-n", "kube-system", "logs", "a-planted-word"); strings.Contains(out, "a-planted-word") {
		t.Errorf("another namespace shows it: %s", out)
	}
}

// TestMetrics asks the embedded Prometheus for a series of each kind of target.
func TestMetrics(t *testing.T) {
	for _, query := range []string{
		`apiserver_request_total`, `kubelet_running_pods`, `container_memory_working_set_bytes{namespace="kube-system"}`, `up{job="slipway"} == 1`,
	} {
		eventually(t, 90*time.Second, func() error {
			var answer struct {
				Data struct{ Result []any }
			}
			if err := user.Call(t.Context(), "GET", "/prometheus/api/v1/query?query="+url.QueryEscape(query), nil, &answer); err != nil {
				return err
			}
			if len(answer.Data.Result) == 0 {
				return fmt.Errorf("%s: no series", query)
			}
			return nil
		})
	}
}
