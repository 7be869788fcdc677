package grafana

import (
	"context"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/observability/grafana/grafanatest"
)

// TestByTheNetwork with TLS of an authority of its own, as a user with a password, below a
// path; what leads elsewhere is not followed.
func TestByTheNetwork(t *testing.T) {
	g := grafanatest.New("admin:planted-password", t.Errorf)
	mux := http.NewServeMux()
	mux.Handle("/sub/", http.StripPrefix("/sub", g))
	mux.HandleFunc("/moved/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
	})
	mux.HandleFunc("/other/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	s := httptest.NewTLSServer(mux)
	defer s.Close()
	dir := t.TempDir()
	ca, who := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "who")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(who, []byte("admin:planted-password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ path, ca, want string }{
		"trusted": {"/sub", ca, ""}, "not trusted": {"/sub", "", "certificate"}, "no certificate in it": {"/sub", who, "no certificate in"},
		"moved": {"/moved", ca, "redirects to https://elsewhere.example/; give the address where it answers"}, "another program": {"/other", ca, "what answers there is not Grafana"},
	} {
		p, err := New(Options{URL: s.URL + tc.path, CredentialsFile: who, CAFile: tc.ca, Edits: Keep, StateFile: filepath.Join(dir, name+".json"), Log: slog.New(slog.DiscardHandler),
			Desired: func(context.Context) (Desired, error) { return Desired{Folders: []Folder{{"slipway", "Slipway"}}}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		switch err := p.Pass(t.Context()); {
		case tc.want == "" && (err != nil || len(g.Folders()) != 1):
			t.Errorf("%s: %v, folders %q", name, err, g.Folders())
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "planted-password")):
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}
