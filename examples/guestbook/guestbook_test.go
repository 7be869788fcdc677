package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return string(b)
}

func TestSignAndShow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "entries")
	s, err := openStore(file)
	if err != nil {
		t.Fatal(err)
	}
	back := httptest.NewServer(s.handler())
	defer back.Close()
	front := httptest.NewServer((&web{store: back.URL, title: "Visitors", client: http.DefaultClient}).handler())
	defer front.Close()

	resp, err := http.PostForm(front.URL+"/sign", url.Values{"name": {"Ada"}, "text": {"<b>hello</b>"}})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	if text := get(t, front.URL); !strings.Contains(text, "Ada") || !strings.Contains(text, "&lt;b&gt;hello") || !strings.Contains(text, "Visitors") {
		t.Error(text)
	}
	if resp, err := http.PostForm(front.URL+"/sign", url.Values{"text": {" "}}); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Error(resp, err)
	}
	if text := get(t, back.URL+"/metrics"); !strings.Contains(text, "guestbook_entries 1") {
		t.Error(text)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openStore(file)
	if err != nil || len(again.entries) != 1 || again.entries[0].Name != "Ada" {
		t.Fatal(again, err)
	}
	again.close()
}

func TestCutLineIsDropped(t *testing.T) {
	file := filepath.Join(t.TempDir(), "entries")
	if err := os.WriteFile(file, []byte("{\"name\":\"a\",\"text\":\"b\"}\n{\"name\":\"c"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(file)
	if err != nil || len(s.entries) != 1 {
		t.Fatal(s, err)
	}
	defer s.close()
	if err := s.add(entry{Name: "d", Text: "e"}); err != nil {
		t.Fatal(err)
	}
	if got := s.newest(); len(got) != 2 || got[0].Name != "d" {
		t.Error(got)
	}
}
