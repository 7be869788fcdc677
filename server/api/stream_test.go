package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// tornLogs end after so many rows.
type tornLogs struct {
	Logs
	rows int
	err  error
}

func (l tornLogs) Query(_ context.Context, w io.Writer, _ LogQuery) error {
	for range l.rows {
		_, _ = io.WriteString(w, `{"_msg":"a"}`+"\n")
	}
	return l.err
}

// TestHalfAnAnswerIsCutOff: an error after the first rows is no row, and not the end.
func TestHalfAnAnswerIsCutOff(t *testing.T) {
	for name, tc := range map[string]struct {
		logs tornLogs
		ok   bool
		code int
	}{
		"whole":              {tornLogs{rows: 2}, true, http.StatusOK},
		"torn":               {tornLogs{rows: 2, err: errors.New("log store: out of memory")}, false, http.StatusOK},
		"ended":              {tornLogs{rows: 2, err: context.Canceled}, false, http.StatusOK},
		"refused beforehand": {tornLogs{err: errors.New("log store: out of memory")}, true, http.StatusInternalServerError},
	} {
		h := Handler(Deps{Logs: tc.logs, Authorizer: roles{"ann": {"*"}}}, slog.New(slog.DiscardHandler))
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(WithUser(r.Context(), User{Name: "ann"})))
		}))
		resp, err := srv.Client().Get(srv.URL + "/api/v1/namespaces/default/logs")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		srv.Close()
		if resp.StatusCode != tc.code || (err == nil) != tc.ok || resp.StatusCode == http.StatusOK && strings.Contains(string(b), "error") {
			t.Errorf("%s: %s %s %v", name, resp.Status, b, err)
		}
	}
}
