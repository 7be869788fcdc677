package metrics

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// promtool is Prometheus' own, of the version that is linked.
const promtoolPath = "../../build/tools/promtool"

// TestPromtool has it ask what it can ask, and check what ships.
func TestPromtool(t *testing.T) {
	promtool, err := filepath.Abs(promtoolPath)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(promtool); errors.Is(err, fs.ErrNotExist) {
		t.Fatal("promtool is not there; `make clients` builds it, as `make test` does")
	}
	m := opened(t, Options{})
	serve := func(scope string) string {
		s := httptest.NewServer(http.StripPrefix("/prometheus", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set(ScopeHeader, scope)
			m.Handler().ServeHTTP(w, r)
		})))
		t.Cleanup(s.Close)
		return s.URL + "/prometheus"
	}
	all, shop := serve("*"), serve("shop")
	dir := t.TempDir()
	conf, err := (Targets{Interval: time.Minute, Kubeconfig: filepath.Join(dir, "kubeconfig"), Server: "127.0.0.1:1", TokenFile: filepath.Join(dir, "token"), Self: "s", Node: "n", Buildkit: "b", KubeProxy: "127.0.0.1:2", Containerd: "127.0.0.1:3"}).render()
	if err != nil {
		t.Fatal(err)
	}
	// What a certificate is in a cluster is no matter of the form.
	conf = strings.ReplaceAll(conf, `ca_file: "", cert_file: "", key_file: ""`, "insecure_skip_verify: true")
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("kubeconfig", noCluster)
	write("token", "t")
	config := write("prometheus.yml", conf)
	exported, err := ExportRules(false)
	if err != nil {
		t.Fatal(err)
	}
	rules := write("exported.yaml", string(exported))
	shipped, err := filepath.Glob("rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	start, end := time.Now().Add(-time.Minute).Format(time.RFC3339), time.Now().Add(time.Minute).Format(time.RFC3339)
	for _, c := range []struct {
		args      []string
		want, not string
		fails     bool
	}{
		{args: []string{"query", "instant", all, "sum(sales_total)"}, want: "84"},
		{args: []string{"query", "instant", shop, "sum(sales_total)"}, want: "42"},
		{args: []string{"query", "instant", all, "sum("}, want: "parse error", fails: true},
		{args: []string{"query", "range", "--start", start, "--end", end, "--step", "1s", all, "sales_total"}, want: "secret-1"},
		{args: []string{"query", "range", "--start", start, "--end", end, "--step", "1s", shop, "sales_total"}, want: "shop-1", not: "secret"},
		{args: []string{"query", "series", "--match", "sales_total", all}, want: "secret-1"},
		{args: []string{"query", "series", "--match", "{__name__=~\".+\"}", shop}, want: "shop-1", not: "secret"},
		{args: []string{"query", "labels", all, "namespace"}, want: "bank"},
		{args: []string{"query", "labels", shop, "namespace"}, want: "shop", not: "bank"},
		{args: []string{"query", "analyze", "--server", all, "--type", "histogram", "--duration", "1m", "--match", "sales_total"}, want: "Aggregated bucket stats"},
		{args: []string{"check", "healthy", "--url", shop}, want: "Prometheus Server is Healthy."},
		{args: []string{"check", "ready", "--url", shop}, want: "Prometheus Server is Ready."},
		{args: []string{"check", "config", config}, want: "SUCCESS"},
		{args: []string{"check", "rules", "--lint", "all", "--lint-fatal", rules}, want: "SUCCESS"},
		{args: append([]string{"check", "rules", "--lint", "all", "--lint-fatal"}, shipped...), want: "SUCCESS"},
		{args: []string{"promql", "format", "--experimental", "sum(x)by(y)"}, want: "sum by (y) (x)"},
	} {
		var out bytes.Buffer
		cmd := exec.CommandContext(t.Context(), promtool, c.args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); (err != nil) != c.fails || !strings.Contains(out.String(), c.want) || c.not != "" && strings.Contains(out.String(), c.not) {
			t.Errorf("promtool %s: %v, want %q and not %q\n%s", strings.Join(c.args, " "), err, c.want, c.not, out.String())
		}
	}
}
