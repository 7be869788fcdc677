package demo

import "testing"

// TestVersionsInAnswers: the name of a pod is no version.
func TestVersionsInAnswers(t *testing.T) {
	s := seen{total: 5, answers: map[string]int{
		"<!doctype html><title>hello v1 on hello-64c4-qv3mz</title>": 3,
		"<!doctype html><title>hello v2 on hello-v4b9-v1aaa</title>": 2,
	}}
	if got, want := s.String(), "5 requests, 0 failed, 3 answered by v1, 2 answered by v2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
