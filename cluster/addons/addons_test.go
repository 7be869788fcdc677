package addons

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNameservers(t *testing.T) {
	for name, c := range map[string]struct {
		resolv string
		want   []string
	}{
		"empty":             {"", nil},
		"usual":             {"# x\nsearch a.b\nnameserver 192.0.2.53\nnameserver 192.0.2.54 # y\n", []string{"192.0.2.53", "192.0.2.54"}},
		"systemd-resolved":  {"nameserver 127.0.0.53\noptions edns0\n", nil},
		"twice":             {"nameserver 192.0.2.53\nnameserver ::ffff:192.0.2.53\n", []string{"192.0.2.53"}},
		"link-local":        {"nameserver fe80::1%eth0\n", nil},
		"not an address":    {"nameserver evil.example {\n", nil},
		"more than three":   {strings.Join([]string{"nameserver 10.0.0.1", "nameserver 10.0.0.2", "nameserver 10.0.0.3", "nameserver 10.0.0.4"}, "\n"), []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}},
		"without a newline": {"nameserver 2001:db8::1", []string{"2001:db8::1"}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, append([]string(nil), nameservers(c.resolv)...)) })
	}
}

func TestCorefile(t *testing.T) {
	require.NotContains(t, corefile(nil), "forward", "it must start where there is no network")
	require.Contains(t, corefile([]string{"192.0.2.53"}), "forward . 192.0.2.53 {")
}

func FuzzNameservers(f *testing.F) {
	f.Add("nameserver 192.0.2.53\n")
	f.Add("nameserver 1.2.3.4 }\n")
	f.Fuzz(func(t *testing.T, resolv string) {
		for _, s := range nameservers(resolv) {
			if strings.ContainsAny(s, " \t\n{}#") {
				t.Fatalf("%q would change the configuration", s)
			}
		}
	})
}
