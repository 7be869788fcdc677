package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
)

func started(t *testing.T, dir, config string) (*Alertmanager, func()) {
	t.Helper()
	o := Options{Dir: dir, URL: "https://slipway.example"}
	if config != "" {
		o.Config = filepath.Join(t.TempDir(), "alertmanager.yaml")
		if err := os.WriteFile(o.Config, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := Open(o, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return a, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func fire(t *testing.T, a *Alertmanager, pairs ...string) {
	t.Helper()
	n := &alert.Alert{Alert: model.Alert{Labels: model.LabelSet{}, StartsAt: time.Now(), EndsAt: time.Now().Add(time.Hour)}, UpdatedAt: time.Now()}
	for i := 0; i < len(pairs); i += 2 {
		n.Labels[model.LabelName(pairs[i])] = model.LabelValue(pairs[i+1])
	}
	if err := a.Put(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func call(t *testing.T, a *Alertmanager, method, path, body string) string {
	t.Helper()
	r := httptest.NewRequest(method, "/api/v2/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	if w.Code >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.String()
}

func quieten(t *testing.T, a *Alertmanager, name, value string) {
	t.Helper()
	now := time.Now().UTC()
	call(t, a, "POST", "silences", fmt.Sprintf(`{"matchers":[{"name":%q,"value":%q,"isRegex":false,"isEqual":true}],"startsAt":%q,"endsAt":%q,"createdBy":"ann","comment":"known"}`,
		name, value, now.Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)))
}

// TestGroupsSilencesAndInhibits sends by a webhook and by e-mail what is left over: one
// notification a group, without what is silenced and what a greater trouble explains.
func TestGroupsSilencesAndInhibits(t *testing.T) {
	hooks := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		hooks <- string(b)
	}))
	defer hook.Close()
	mail, letters := mailServer(t)
	a, stop := started(t, t.TempDir(), fmt.Sprintf(`
route: {receiver: team, group_by: [namespace], group_wait: 300ms, group_interval: 1s}
receivers:
- name: team
  webhook_configs: [{url: %q}]
  email_configs: [{to: team@example.org, from: slipway@example.org, smarthost: %q, require_tls: false}]
inhibit_rules:
- {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [namespace]}
`, hook.URL, mail))
	defer stop()
	quieten(t, a, "alertname", "Known")
	fire(t, a, "alertname", "Known", "namespace", "shop")
	fire(t, a, "alertname", "Down", "namespace", "shop", "severity", "critical")
	fire(t, a, "alertname", "Slow", "namespace", "shop", "severity", "warning")
	fire(t, a, "alertname", "Gone", "namespace", "shop")
	select {
	case b := <-hooks:
		var sent struct {
			Alerts      []struct{ Labels map[string]string }
			ExternalURL string
		}
		if err := json.Unmarshal([]byte(b), &sent); err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, s := range sent.Alerts {
			names[s.Labels["alertname"]] = true
		}
		if len(names) != 2 || !names["Down"] || !names["Gone"] || sent.ExternalURL != "https://slipway.example" {
			t.Errorf("sent %s", b)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("no webhook")
	}
	select {
	case l := <-letters:
		if !strings.Contains(l, "Down") || strings.Contains(l, "Known") || strings.Contains(l, "Slow") {
			t.Errorf("letter: %s", l)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("no letter")
	}
	if got := call(t, a, "GET", "alerts?filter=alertname%3DSlow", ""); !strings.Contains(got, `"suppressed"`) {
		t.Errorf("a warning below what is critical: %s", got)
	}
	if got := call(t, a, "GET", "alerts?filter=namespace%3Dbank", ""); strings.TrimSpace(got) != "[]" {
		t.Errorf("another namespace: %s", got)
	}
}

func TestSilencesOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	a, stop := started(t, dir, "")
	quieten(t, a, "alertname", "Known")
	stop()
	a, stop = started(t, dir, "")
	defer stop()
	if got := call(t, a, "GET", "silences", ""); !strings.Contains(got, "Known") {
		t.Errorf("after a restart: %s", got)
	}
	fire(t, a, "alertname", "Known")
	if got := call(t, a, "GET", "alerts", ""); !strings.Contains(got, `"suppressed"`) {
		t.Errorf("not silenced: %s", got)
	}
}

// TestSilencesOutliveAKill reads what is on the disk right after each answer.
func TestSilencesOutliveAKill(t *testing.T) {
	dir := t.TempDir()
	a, stop := started(t, dir, "")
	defer stop()
	killed := func() string {
		left := t.TempDir()
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		b, stop := started(t, left, "")
		defer stop()
		return call(t, b, "GET", "silences", "")
	}
	quieten(t, a, "alertname", "Known")
	var made []struct{ ID string }
	if err := json.Unmarshal([]byte(killed()), &made); err != nil || len(made) != 1 {
		t.Fatalf("%v %v", made, err)
	}
	call(t, a, "DELETE", "silence/"+made[0].ID, "")
	if got := killed(); !strings.Contains(got, `"expired"`) {
		t.Errorf("it was ended: %s", got)
	}
	// What cannot be kept is not said to be.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	now := time.Now().UTC()
	r := httptest.NewRequest("POST", "/api/v2/silences", strings.NewReader(fmt.Sprintf(`{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":%q,"endsAt":%q,"createdBy":"ann","comment":"c"}`,
		now.Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339))))
	r.Header.Set("Content-Type", "application/json")
	if a.Handler().ServeHTTP(w, r); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "not beyond a restart") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { // for the end of a
		t.Fatal(err)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"unknown receiver": "route: {receiver: nobody}\nreceivers: [{name: team}]\n", "no route": "receivers: [{name: team}]\n", "unknown key": "rout: {}\n",
	} {
		file := filepath.Join(t.TempDir(), "a.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(""); err != nil {
		t.Errorf("the default: %v", err)
	}
}

// mailServer takes letters as a mail host does.
func mailServer(t *testing.T) (address string, letters <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	out := make(chan string, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p := textproto.NewConn(c)
			_ = p.PrintfLine("220 mail")
			for {
				line, err := p.ReadLine()
				if err != nil {
					break
				}
				switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
				case "DATA":
					_ = p.PrintfLine("354 go on")
					b, _ := p.ReadDotBytes()
					out <- string(bytes.ReplaceAll(b, []byte("=\n"), nil))
					_ = p.PrintfLine("250 ok")
				case "QUIT":
					_ = p.PrintfLine("221 bye")
				default:
					_ = p.PrintfLine("250 ok")
				}
			}
			_ = p.Close()
		}
	}()
	return l.Addr().String(), out
}
