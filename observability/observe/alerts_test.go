package observe

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// TestLinksOfAlerts lead from a notification to the page that shows the alert.
func TestLinksOfAlerts(t *testing.T) {
	for want, l := range map[string]labels.Labels{
		"https://s.example/alerts":                            labels.FromStrings("alertname", "A"),
		"https://s.example/alerts?namespace=bank":             labels.FromStrings("alertname", "B", "namespace", "bank"),
		"https://s.example/applications/a%2Fb?namespace=bank": labels.FromStrings("alertname", "C", "namespace", "bank", "application", "a/b"),
	} {
		if got := page("https://s.example/", l); got != want {
			t.Errorf("%s: %s, want %s", l, got, want)
		}
	}
}
