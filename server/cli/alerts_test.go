package cli

import (
	"testing"

	"slipway.dev/server/api"
)

func TestAlertsAreToldApart(t *testing.T) {
	for _, tc := range []struct {
		alert     api.Alert
		of, state string
	}{
		{api.Alert{Labels: map[string]string{"pod": "web-1", "application": "web"}, State: "active"}, "web-1", "active"},
		{api.Alert{Labels: map[string]string{"application": "web", "namespace": "default"}, State: "suppressed", SilencedBy: []string{"x"}}, "web", "silenced"},
		{api.Alert{Labels: map[string]string{"node": "n"}, State: "suppressed", Inhibited: true}, "n", "inhibited"},
		{api.Alert{Labels: map[string]string{"namespace": "default"}, State: "suppressed", Inhibited: true, SilencedBy: []string{"x"}}, "", "silenced"},
	} {
		if of, state := concerns(tc.alert), alertState(tc.alert); of != tc.of || state != tc.state {
			t.Errorf("%v: %q %q", tc.alert, of, state)
		}
	}
}
