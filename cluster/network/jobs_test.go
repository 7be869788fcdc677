package network

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseOutside(t *testing.T) {
	for text, want := range map[string]int{"public": 1, "none": 0, "public, private": 2, "192.0.2.7/24": 1, "public,10.9.0.0/16,10.8.0.0/16": 3} {
		if got, err := ParseOutside(text); err != nil || len(got) != want {
			t.Errorf("%q: %q, %v; want %d conditions", text, got, err, want)
		}
	}
	for _, text := range []string{"", "all", "none,public", "public,", "2001:db8::/32", "10.0.0.1", "10.0.0.0/8 accept; drop"} {
		if got, err := ParseOutside(text); err == nil {
			t.Errorf("%q is taken: %q", text, got)
		}
	}
}

func TestJobsText(t *testing.T) {
	pods, services := netip.MustParsePrefix("10.42.0.0/16"), netip.MustParsePrefix("10.43.0.0/16")
	text, err := jobsText(pods, services, Jobs{DNS: "10.43.0.10", FrontDoor: ":8443", Outside: "private,203.0.113.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	// What is the cluster's is refused before anything of the outside is allowed.
	outside := strings.Index(text, "ip daddr { 10.0.0.0/8")
	for _, line := range []string{"ip daddr 10.42.0.0/16 goto refuse", "ip daddr 10.43.0.0/16 goto refuse", "ip daddr 169.254.0.0/16 goto refuse"} {
		if at := strings.Index(text, line); at < 0 || at > outside {
			t.Errorf("%q at %d, the outside at %d:\n%s", line, at, outside, text)
		}
	}
	if !strings.Contains(text, "meta nfproto ipv4 tcp dport 8443 accept") || !strings.Contains(text, "ip daddr 203.0.113.0/24 accept") {
		t.Error(text)
	}
	text, err = jobsText(pods, services, Jobs{DNS: "10.43.0.10", FrontDoor: "192.0.2.5:8443", Outside: "none"})
	if err != nil || !strings.Contains(text, "ip daddr 192.0.2.5 tcp dport 8443 accept") {
		t.Error(text, err)
	}
	for _, j := range []Jobs{{FrontDoor: ":1", Outside: "none"}, {DNS: "10.43.0.10", Outside: "none"}, {DNS: "10.43.0.10", FrontDoor: ":1"}} {
		if _, err := jobsText(pods, services, j); err == nil {
			t.Errorf("%+v is taken", j)
		}
	}
}
