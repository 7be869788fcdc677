package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"os"
)

var page = template.Must(template.New("page").Parse(`<!doctype html><title>{{.Title}}</title>
<meta name="viewport" content="width=device-width">
<style>body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem } input { font: inherit }</style>
<h1>{{.Title}}</h1>
<form method="post" action="/sign"><input name="name" placeholder="Name"> <input name="text" placeholder="Text" required> <button>Sign</button></form>
<ul>{{range .Entries}}<li><b>{{.Name}}</b>: {{.Text}} <small>{{.Time.Format "2006-01-02 15:04"}}</small></li>{{else}}<li>Nobody yet.</li>{{end}}</ul>
<small>{{.Host}}</small>
`))

// web shows what the store has. It keeps nothing.
type web struct {
	store, title string
	client       *http.Client
}

func (s *web) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /{$}", s.show)
	mux.HandleFunc("POST /sign", s.sign)
	return mux
}

func (s *web) show(w http.ResponseWriter, r *http.Request) {
	entries, err := s.entries(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	host, _ := os.Hostname()
	var b bytes.Buffer
	if err := page.Execute(&b, map[string]any{"Title": s.title, "Entries": entries, "Host": host}); err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}

func (s *web) entries(r *http.Request) ([]entry, error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.store+"/entries", nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("store says %s", resp.Status)
	}
	var entries []entry
	return entries, json.NewDecoder(io.LimitReader(resp.Body, 4<<20)).Decode(&entries)
}

func (s *web) sign(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	e := entry{Name: r.PostFormValue("name"), Text: r.PostFormValue("text")}
	if err := e.check(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := json.Marshal(e)
	if err != nil {
		s.fail(w, err)
		return
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, s.store+"/entries", bytes.NewReader(body))
	if err != nil {
		s.fail(w, err)
		return
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.fail(w, err)
		return
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		s.fail(w, fmt.Errorf("store says %s", resp.Status))
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *web) fail(w http.ResponseWriter, err error) {
	slog.Error("request", "error", err)
	http.Error(w, "the store does not answer; try again soon", http.StatusBadGateway)
}
