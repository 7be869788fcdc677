package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestScrapesWithItsTokenAndAnswersQueries(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "slipway_runs_total 42")
	}))
	defer target.Close()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c","user":""}}],"current-context":"c"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m, err := Open(ctx, filepath.Join(dir, "tsdb"), Options{Targets: Targets{
		Interval: time.Second, Kubeconfig: kubeconfig,
		Server: strings.TrimPrefix(target.URL, "http://"), TokenFile: token,
	}}, nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/api/v1/query?query="+url.QueryEscape(`slipway_runs_total{job="slipway"}`), nil)
		r.Header.Set(ScopeHeader, "*")
		m.Handler().ServeHTTP(w, r)
		var answer struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		if len(answer.Data.Result) == 1 && answer.Data.Result[0].Value[1] == "42" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not scraped: %s", w.Body)
		}
		<-time.After(50 * time.Millisecond)
	}
}
