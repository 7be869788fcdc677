package api

import "testing"

func TestParseMatcher(t *testing.T) {
	for text, want := range map[string][3]string{
		"alertname=PodCrashLoops": {"alertname", "=", "PodCrashLoops"}, `pod=~"web-.*"`: {"pod", "=~", "web-.*"},
		"severity!=critical": {"severity", "!=", "critical"}, "pod!~x|y": {"pod", "!~", "x|y"}, "a=b=c": {"a", "=", "b=c"}, "a=": {"a", "=", ""},
	} {
		if l, op, v, err := ParseMatcher(text); err != nil || [3]string{l, op, v} != want {
			t.Errorf("%s: %s %s %s %v", text, l, op, v, err)
		}
	}
	for _, text := range []string{"", "alertname", "=x", "a b=c", "pod=~(", "1a=b"} {
		if _, _, _, err := ParseMatcher(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
