package logs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestSearchesWaitAndWritingDoesNot: no more searches run at a time than may.
func TestSearchesWaitAndWritingDoesNot(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	var give []func()
	for range maxQueries {
		done, err := s.place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		give = append(give, done)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	one := Selection{Every: true, Text: "* | limit 1"}
	if err := s.Select(ctx, one, func([]Field) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one search too many: %v", err)
	}
	if _, err := s.search(ctx, Query{Namespace: "default", End: time.Now(), Limit: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one search too many: %v", err)
	}
	if err := s.Receive("c1", []Row{NewRow(time.Now().UnixNano(), map[string]string{"namespace": "default", "_msg": "x"})}, true); err != nil {
		t.Error(err)
	}
	give[0]()
	if err := s.Select(t.Context(), one, func([]Field) {}); err != nil {
		t.Error(err)
	}
}

func TestPatternsThatCostTooMuch(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	for text, fine := range map[string]bool{
		`_msg:~"err.*time" level:="` + strings.Repeat("x", 2000) + `"`: true,
		`"` + strings.Repeat("word ", 1000) + `"`:                      true,
		`_msg:~"` + strings.Repeat(".*a", 500) + `"`:                   false,
		`_msg:~ "` + strings.Repeat(".*a", 500) + `"`:                  false,
		"_msg:~`(a?){500}(b?){500}`":                                   false,
		`_msg:~'(a?){500}(b?){500}'`:                                   false,
		`{pod=~"(a?){500}(b?){500}"}`:                                  false,
		`* | extract_regexp "(?P<x>(a?){500}(b?){500})"`:               false,
		`* | replace_regexp ("(a?){500}(b?){500}", "")`:                false,
		strings.Repeat(`_msg:~"(a|b)*c" or `, 200) + "x":               false,
	} {
		q := Query{Namespace: "default", Text: text, Start: time.Now().Add(-time.Hour), End: time.Now(), Limit: 10}
		_, err := s.search(t.Context(), q)
		_, overview := s.Overview(t.Context(), q)
		for _, err := range []error{err, overview} {
			if refused := errors.Is(err, ErrQuery) && strings.Contains(err.Error(), "more than 1000 steps"); refused == fine {
				t.Errorf("%.60s: %v", text, err)
			}
		}
	}
}
