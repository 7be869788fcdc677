package e2e

import (
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway.dev/observability/grafana/grafanatest"
)

// grafanaAddress is where the shared server provisions a Grafana. Nothing answers there but
// in the test that needs it.
const (
	grafanaAddress  = "127.0.0.1:5056"
	grafanaPassword = "glsa_planted"
)

func grafanaToken() string { return filepath.Join(filepath.Dir(dataDir), "grafana.token") }

// serve the stand-in until the returned function is called.
func serve(t *testing.T, g *grafanatest.Grafana) (stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", grafanaAddress)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: g, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return func() { _ = s.Close() }
}

// TestGrafana has the server provision a Grafana, of its published contract: everything is
// there, drift is healed, an edit stays, trouble is named, and removal is clean.
func TestGrafana(t *testing.T) {
	together(t)
	g := grafanatest.New(grafanaPassword, t.Errorf)
	stop := serve(t, g)
	// failed is what a verb says that fails, without a secret.
	failed := func(parts ...string) {
		t.Helper()
		out, err := slipway(t, "grafana", "sync")
		told := must(t, "status")
		for _, part := range parts {
			if err == nil || !strings.Contains(out, part) || !strings.Contains(told, part) {
				t.Errorf("no %q: %v %s\n%s", part, err, out, told)
			}
		}
		if strings.Contains(out+told, grafanaPassword) {
			t.Errorf("the token is told: %s\n%s", out, told)
		}
	}
	if out := must(t, "grafana", "sync"); !strings.Contains(out, "http://"+grafanaAddress) {
		t.Errorf("sync: %s", out)
	}
	g.Wrote()
	if s, f := g.Sources(), g.Folders(); !slices.Equal(s, []string{"slipway-logs", "slipway-prometheus"}) || !slices.Contains(f, "slipway") {
		t.Fatalf("data sources %q, folders %q", s, f)
	}
	for _, uid := range []string{"slipway-cluster", "slipway-node", "slipway-gitops", "slipway-logs", "slipway-pipelines"} {
		if g.Title(uid) == "" {
			t.Errorf("no dashboard %s: %q", uid, g.Dashboards())
		}
	}
	// What its data sources read by works, and reads only.
	token, ok := strings.CutPrefix(g.Secret("slipway-prometheus", "httpHeaderValue1"), "Bearer ")
	if !ok {
		t.Fatal("the data source has no token")
	}
	for path, want := range map[string]int{
		g.SourceURL("slipway-prometheus") + "/api/v1/query?query=up": 200, g.SourceURL("slipway-logs") + "/_cluster/health": 200, user.Server + "/api/v1/tokens": 403,
	} {
		if got := status(t, "GET", path, token); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if got := status(t, "POST", user.Server+"/api/v1/namespaces/default/silences", token); got != 403 {
		t.Errorf("it may write: %d", got)
	}

	// Drift is healed, a person's edit is left and named.
	g.Delete("slipway-node")
	g.Repoint("slipway-logs", "http://wrong.example")
	g.Edit("slipway-cluster", func(m map[string]any) { m["title"] = "Ours" })
	must(t, "grafana", "sync")
	if g.Title("slipway-node") == "" || strings.Contains(g.SourceURL("slipway-logs"), "wrong") || g.Title("slipway-cluster") != "Ours" {
		t.Errorf("after drift: %q, %s, %s", g.Title("slipway-node"), g.SourceURL("slipway-logs"), g.Title("slipway-cluster"))
	}
	if out := must(t, "status"); !strings.Contains(out, "kept as people edited them: ") {
		t.Errorf("status: %s", out)
	}

	g.Token("another")
	failed("status: 401", "--grafana-credentials")
	g.Token(grafanaPassword)
	stop()
	failed("connection refused", "it is tried again")
	serve(t, g)

	out := must(t, "grafana", "remove")
	left := slices.DeleteFunc(g.Dashboards(), func(uid string) bool { return uid == "slipway-cluster" })
	if !strings.Contains(out, "left, as people edited them: Ours") || len(left) > 0 || len(g.Sources()) > 0 || !slices.Equal(g.Folders(), []string{"slipway"}) {
		t.Errorf("after removal: %s\n%q %q %q", out, g.Dashboards(), g.Folders(), g.Sources())
	}
	if got := status(t, "GET", user.Server+"/prometheus/api/v1/query?query=up", token); got != 401 {
		t.Errorf("the token of the data sources still works: %d", got)
	}
	if out := must(t, "grafana", "status"); !strings.Contains(out, "removed") {
		t.Errorf("status: %s", out)
	}
}
