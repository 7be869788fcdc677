package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"

	"slipway.dev/observability/grafana/grafanatest"
)

func board(title string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"id":9,"uid":"theirs","version":3,"description":%q,"__inputs":[{"name":"DS_P","type":"datasource","pluginId":"prometheus"}],"__requires":[],
		"templating":{"list":[{"name":"datasource","type":"datasource","query":"prometheus"}]},"panels":[{"type":"stat","datasource":{"uid":"${DS_P}"}}]}`, title))
}

type world struct {
	*Provisioner
	g    *grafanatest.Grafana
	want *Desired
	dir  string
}

func newWorld(t *testing.T, edits string) *world {
	t.Helper()
	w := &world{g: grafanatest.New("glsa_secret", t.Errorf), dir: t.TempDir(), want: &Desired{
		Folders: []Folder{{"slipway", "Slipway"}, {"slipway-shop", "Slipway / shop"}},
		DataSources: []gapi.DataSource{{UID: "slipway-prometheus", Name: "Slipway Prometheus", Type: "prometheus", URL: "https://s.example/prometheus", Access: "proxy",
			JSONData: map[string]any{"httpMethod": "POST", "httpHeaderName1": "Authorization"}, SecureJSONData: map[string]any{"httpHeaderValue1": "Bearer sw_datasource"}}},
		Dashboards: []Dashboard{{"slipway-a", "A", "slipway", board("x")}, {"slipway-b", "B", "slipway-shop", board("y")}},
	}}
	if err := os.WriteFile(filepath.Join(w.dir, "token"), []byte("glsa_secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open(t, edits)
	return w
}

// open again, as after a start.
func (w *world) open(t *testing.T, edits string) {
	t.Helper()
	var err error
	w.Provisioner, err = New(Options{URL: "http://grafana.example/sub", CredentialsFile: filepath.Join(w.dir, "token"), Edits: edits,
		StateFile: filepath.Join(w.dir, "grafana.json"), Desired: func(context.Context) (Desired, error) { return *w.want, nil },
		Log: slog.New(slog.DiscardHandler), transport: w.g.Below("/sub")})
	if err != nil {
		t.Fatal(err)
	}
}

func titled(title string) func(map[string]any) {
	return func(model map[string]any) { model["title"] = title }
}

func (w *world) pass(t *testing.T, want ...string) {
	t.Helper()
	if err := w.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.g.Wrote(); !slices.Equal(got, want) {
		t.Fatalf("wrote %q, want %q", got, want)
	}
}

var everything = []string{"POST /api/datasources", "POST /api/folders", "POST /api/folders", "POST /api/dashboards/db", "POST /api/dashboards/db"}

func TestSecondPassWritesNothing(t *testing.T) {
	w := newWorld(t, Keep)
	w.pass(t, everything...)
	w.pass(t)
	w.open(t, Keep) // another process
	w.pass(t)
	if s := w.g.Secret("slipway-prometheus", "httpHeaderValue1"); s != "Bearer sw_datasource" {
		t.Errorf("the data source's secret is %q", s)
	}
	b, _ := json.Marshal(w.g.Model("slipway-a"))
	for _, part := range []string{`"title":"A"`, `"uid":"slipway-a"`, `"datasource":{"uid":"slipway-prometheus"}`, `"text":"Slipway Prometheus"`} {
		if !strings.Contains(string(b), part) {
			t.Errorf("no %s in %s", part, b)
		}
	}
	if strings.Contains(string(b), "__inputs") {
		t.Error("inputs are for importing by hand")
	}
	if strings.Contains(readFile(t, w.dir), "sw_datasource") {
		t.Error("the token is in the file of what was written")
	}
	// A change of ours is one write; a lost memory none.
	w.want.Dashboards[0].JSON = board("z")
	w.pass(t, "POST /api/dashboards/db")
	os.Remove(filepath.Join(w.dir, "grafana.json"))
	w.open(t, Keep)
	w.pass(t, "PUT /api/datasources/uid/slipway-prometheus") // its secret cannot be read back
	w.pass(t)
}

func readFile(t *testing.T, dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "grafana.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDriftIsHealed(t *testing.T) {
	w := newWorld(t, Keep)
	w.pass(t, everything...)
	w.g.Delete("slipway-a")
	w.pass(t, "POST /api/dashboards/db")
	w.g.Repoint("slipway-prometheus", "http://wrong")
	w.pass(t, "PUT /api/datasources/uid/slipway-prometheus")
	if w.g.SourceURL("slipway-prometheus") != "https://s.example/prometheus" {
		t.Error("the data source is wrong still")
	}
	w.g.Delete("slipway-prometheus")
	w.pass(t, "POST /api/datasources")
	w.want.DataSources[0].SecureJSONData = map[string]any{"httpHeaderValue1": "Bearer sw_new"}
	w.pass(t, "PUT /api/datasources/uid/slipway-prometheus")
	w.g.Delete("slipway-shop", "slipway-b")
	w.pass(t, "POST /api/folders", "POST /api/dashboards/db")
	w.pass(t)
}

func TestEdits(t *testing.T) {
	w := newWorld(t, Keep)
	w.pass(t, everything...)
	w.g.Edit("slipway-a", titled("mine"))
	w.want.Dashboards[0].JSON = board("z") // a newer Slipway
	w.pass(t)
	if kept := w.Status().Kept; !slices.Equal(kept, []string{"A"}) || w.g.Title("slipway-a") != "mine" {
		t.Errorf("kept %q, title %s", kept, w.g.Title("slipway-a"))
	}
	w.open(t, Overwrite)
	w.pass(t, "POST /api/dashboards/db")
	if got := w.g.Title("slipway-a"); got != "A" {
		t.Errorf("title %s", got)
	}
	w.pass(t)
	// Moved to another folder is an edit too.
	w.g.Move("slipway-a", "slipway-shop")
	w.pass(t, "POST /api/dashboards/db")

	// A person who saves between our look and our write is not overwritten.
	w.open(t, Keep)
	w.want.Dashboards[0].JSON = board("q")
	w.g.Meddle(func(method, path string) {
		if method == "POST" && path == "/api/dashboards/db" {
			w.g.Save("slipway-a", "fast")
		}
	})
	if err := w.Pass(t.Context()); err == nil || !strings.Contains(err.Error(), `dashboard "A": status: 412`) {
		t.Fatal(err)
	}
	w.g.Meddle(nil)
	w.g.Wrote()
	w.pass(t)
	if got := w.g.Title("slipway-a"); got != "fast" {
		t.Errorf("title %s", got)
	}
}

func TestWhatIsNotWantedGoes(t *testing.T) {
	w := newWorld(t, Keep)
	w.pass(t, everything...)
	boards, folders := w.want.Dashboards, w.want.Folders
	w.want.Dashboards, w.want.Folders = boards[:1], folders[:1]
	w.want.Incomplete = true
	w.pass(t)
	w.want.Incomplete = false
	w.pass(t, "DELETE /api/dashboards/uid/slipway-b", "DELETE /api/folders/slipway-shop")
	w.want.Dashboards, w.want.Folders = boards, folders
	w.pass(t, "POST /api/folders", "POST /api/dashboards/db")

	// What is not ours stays, and with it its folder.
	w.g.Add("theirs", "slipway", "Theirs")
	w.g.Edit("slipway-b", titled("edited"))
	left, err := w.Remove(t.Context(), false)
	if err != nil || !slices.Equal(left, []string{"edited"}) {
		t.Fatal(left, err)
	}
	if got, f := w.g.Dashboards(), w.g.Folders(); !slices.Equal(got, []string{"slipway-b", "theirs"}) || !slices.Equal(f, []string{"slipway", "slipway-shop"}) || len(w.g.Sources()) != 0 {
		t.Fatalf("left %q %q %q", got, f, w.g.Sources())
	}
	w.g.Wrote()
	w.pass(t) // it stays away, after a start too
	w.open(t, Keep)
	w.pass(t)
	w.g.Delete("theirs")
	if _, err := w.Remove(t.Context(), true); err != nil || len(w.g.Folders()) != 1 {
		t.Fatal(err, w.g.Folders())
	}
	w.g.Wrote()
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := w.g.Wrote(), []string{"POST /api/datasources", "POST /api/folders", "POST /api/dashboards/db"}; !slices.Equal(got, want) { // the edited one is a person's
		t.Errorf("wrote %q", got)
	}
}

func TestProblemsAreNamedAndMasked(t *testing.T) {
	for name, tc := range map[string]struct {
		break_ func(*world)
		want   []string
	}{
		"credentials": {func(w *world) { w.g.Token("other") }, []string{"grafana at http://grafana.example/sub", "a search", "401", "***", "--grafana-credentials"}},
		"away":        {func(w *world) { w.g.Away(true) }, []string{"its health", "connection refused", "tried again"}},
		"no file":     {func(w *world) { os.Remove(filepath.Join(w.dir, "token")) }, []string{"credentials", "no such file"}},
		"name taken": {func(w *world) {
			w.want.DataSources[0].UID = "other"
			_ = w.Pass(context.Background())
			w.want.DataSources[0].UID = "slipway-prometheus"
			w.want.Incomplete = true
		}, []string{"409", "rename or delete it in Grafana"}},
		"uid": {func(w *world) { w.want.Dashboards[0].UID = strings.Repeat("x", 41) }, []string{`dashboard "A"`, "none that Grafana takes"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Keep)
			tc.break_(w)
			err := w.Pass(t.Context())
			if err == nil {
				t.Fatal("it went well")
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in %v", part, err)
				}
			}
			if strings.Contains(err.Error(), "glsa_secret") || strings.Contains(err.Error(), "sw_datasource") {
				t.Errorf("a secret is in %v", err)
			}
		})
	}
	for _, bad := range []Options{{URL: "grafana.example", Edits: Keep}, {URL: "https://a:b@grafana.example", Edits: Keep}, {URL: "https://grafana.example", Edits: "no"}} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// TestAwayForAnHour: it is asked more and more seldom, and all is there soon after it is back.
func TestAwayForAnHour(t *testing.T) {
	w := newWorld(t, Keep)
	synctest.Test(t, func(t *testing.T) {
		w.trigger, w.passes = make(chan struct{}, 1), make(chan struct{}, 1) // of the bubble
		w.g.Away(true)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		if calls, _ := w.g.Calls(); calls > 20 || calls < 10 {
			t.Errorf("asked %d times in an hour", calls)
		}
		w.g.Away(false)
		if s := w.Status(); !strings.Contains(s.Problem, "connection refused") || !s.Passed.IsZero() {
			t.Errorf("status %+v", s)
		}
		time.Sleep(Every)
		synctest.Wait()
		if s := w.Status(); s.Problem != "" || s.Dashboards != 2 || s.Passed.IsZero() {
			t.Errorf("status %+v", s)
		}
		w.g.Wrote()
		w.g.Delete("slipway-a")
		w.Trigger()
		synctest.Wait()
		if got := w.g.Wrote(); len(got) != 1 {
			t.Errorf("wrote %q", got)
		}
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestIncompleteIsLookedUpAgainSoon: nothing is taken away before all is known.
func TestIncompleteIsLookedUpAgainSoon(t *testing.T) {
	w := newWorld(t, Keep)
	w.pass(t, everything...)
	synctest.Test(t, func(t *testing.T) {
		w.trigger, w.passes = make(chan struct{}, 1), make(chan struct{}, 1) // of the bubble
		all := w.want.Dashboards
		w.want.Incomplete, w.want.Dashboards = true, all[:1]
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		if got := w.g.Wrote(); len(got) > 0 || !w.Status().Incomplete {
			t.Errorf("wrote %q, status %+v", got, w.Status())
		}
		w.want.Incomplete = false
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := w.g.Wrote(); !slices.Equal(got, []string{"DELETE /api/dashboards/uid/slipway-b"}) || w.Status().Incomplete {
			t.Errorf("wrote %q, status %+v", got, w.Status())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
