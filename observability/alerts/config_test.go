package alerts

import (
	"strings"
	"testing"
	"time"
)

// TestThreat14AnAlertOfANamespaceInhibitsNobodyElses: whatever a rule of theirs is called.
func TestThreat14AnAlertOfANamespaceInhibitsNobodyElses(t *testing.T) {
	a, stop := started(t, t.TempDir(), "")
	defer stop()
	suppressed := func(name string) bool {
		return strings.Contains(call(t, a, "GET", "alerts?filter=alertname%3D"+name, ""), `"suppressed"`)
	}
	fire(t, a, "alertname", "NodeNotReady", "node", "n1", "severity", "critical", "namespace", "shop", "slipway_source", "shop")
	fire(t, a, "alertname", "TargetDown", "node", "n1", "severity", "warning")
	fire(t, a, "alertname", "RunsFail", "namespace", "shop", "severity", "critical", "slipway_source", "shop")
	fire(t, a, "alertname", "RunsFail", "namespace", "shop", "severity", "warning", "which", "ours")
	// Alerts are looked at in their order: once this one is inhibited, those above have been.
	fire(t, a, "alertname", "NodeNotReady", "node", "n2", "severity", "critical")
	fire(t, a, "alertname", "PodNotReady", "node", "n2", "severity", "warning")
	for end := time.Now().Add(time.Minute); !suppressed("PodNotReady"); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a node that is away does not explain what runs on it")
		}
	}
	if suppressed("TargetDown") || suppressed("RunsFail") {
		t.Error("an alert of a namespace's own rules keeps others quiet")
	}
}
