package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWhatIsGivenOnce is a secret alone for a person, and an object for a program.
func TestWhatIsGivenOnce(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/tokens":
			fmt.Fprint(w, `{"id":"t1","user":"ada","secret":"swt-abc"}`)
		case "/api/v1/login-links":
			fmt.Fprint(w, `{"path":"/login/once"}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	t.Setenv("SLIPWAY_TOKEN", "x")
	for args, want := range map[string]string{
		"token create ada":         "swt-abc\n",
		"token create ada -o json": `"secret": "swt-abc"`,
		"token create ada -o yaml": "secret: swt-abc\n",
		"login-link":               srv.URL + "/login/once\n",
		"login-link -o json":       `"url": "` + srv.URL + `/login/once"`,
	} {
		out := said(t, append(strings.Fields(args), "--server", srv.URL)...)
		if plain := !strings.Contains(args, "-o"); plain && out != want || !strings.Contains(out, want) {
			t.Errorf("%s: %q, want %q", args, out, want)
		}
	}
}
