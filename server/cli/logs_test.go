package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRoutesOfLogs: each way to look at lines asks the route that there is.
func TestRoutesOfLogs(t *testing.T) {
	const of = "/api/v1/namespaces/default/logs"
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.EscapedPath()+" limit="+r.URL.Query().Get("limit"))
		switch r.URL.EscapedPath() {
		case of + "/overview":
			fmt.Fprint(w, `{"buckets":[{"time":"2026-01-02T03:04:00Z","count":3}],"facets":[{"field":"level","values":[{"value":"error","count":2}]}]}`)
		case of + "/context", of:
			fmt.Fprintln(w, `{"_time":"2026-01-02T03:04:05Z","pod":"p","container":"c","_msg":"a line"}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	t.Setenv("SLIPWAY_TOKEN", "x")
	for args, want := range map[string]string{
		"logs":                 of + " limit=500: a line",
		"logs -C 2 word":       of + " limit=20, " + of + "/context limit=: a line",
		"logs --overview word": of + "/overview limit=500: level",
		"logs --all -o csv":    of + " limit=all: a line",
	} {
		asked = nil
		out := said(t, append(strings.Fields(args), "--server", srv.URL)...)
		routes, words, _ := strings.Cut(want, ": ")
		if got := strings.Join(asked, ", "); got != routes || !strings.Contains(out, words) {
			t.Errorf("%s: asked %s and said %q, want %s", args, got, out, want)
		}
	}
}

// TestLogsThatAreCutOff: fewer lines than there are is an error, in each form.
func TestLogsThatAreCutOff(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `{"_time":"2026-01-02T03:04:05Z","pod":"p","container":"c","_msg":"a line"}`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	t.Setenv("SLIPWAY_TOKEN", "x")
	for _, args := range []string{"logs", "logs --all", "logs --all -o csv", "logs -o raw"} {
		var out bytes.Buffer
		cmd := Root()
		cmd.SetOut(&out)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(append(strings.Fields(args), "--server", srv.URL))
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "cut off before it was whole") || !strings.Contains(out.String(), "a line") {
			t.Errorf("%s: %v, said %q", args, err, out.String())
		}
	}
}

func TestShown(t *testing.T) {
	for line, want := range map[string]string{
		"plain 日本\tx\ny":                    "plain 日本\tx\ny",
		"\x1b[31mred\x1b[0m":                "\x1b[31mred\x1b[0m\x1b[0m",
		"\x1b[1;38:5:3mno end":              "\x1b[1;38:5:3mno end\x1b[0m",
		"\x1b]52;c;cm0gLXJm\x07":            `\x1b]52;c;cm0gLXJm\x07`,
		"\x1b[2J\x1b[1A":                    `\x1b[2J\x1b[1A`,
		"progress 1%\rprogress 2%":          `progress 1%\x0dprogress 2%`,
		"\u009b2J \x00 \x7f":                `\x9b2J \x00 \x7f`,
		"exe\u202egnp.txt \x1b[31\x1b[mred": "exe\\x202egnp.txt \\x1b[31\x1b[mred\x1b[0m",
	} {
		if got := shown(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
