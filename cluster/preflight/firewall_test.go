package preflight

import (
	"net/netip"
	"strings"
	"testing"
)

var testPods = netip.MustParsePrefix("10.42.0.0/16")

// Rules as nft prints them.
const (
	fromPods    = `{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "10.42.0.0", "len": 16}}}}`
	toPods      = `{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": {"set": [{"prefix": {"addr": "10.9.0.0", "len": 16}}, {"prefix": {"addr": "10.0.0.0", "len": 8}}]}}}`
	toHalf      = `{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": {"prefix": {"addr": "10.42.0.0", "len": 17}}}}`
	notToPods   = `{"match": {"op": "!=", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": {"prefix": {"addr": "10.42.0.0", "len": 16}}}}`
	inVeth      = `{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "veth*"}}`
	outVeth     = `{"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "veth*"}}`
	inBridge    = `{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "br0"}}`
	established = `{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}`
	counter     = `{"counter": {"packets": 0, "bytes": 0}}`
	accept      = `{"accept": null}`
	drop        = `{"drop": null}`
	reject      = `{"reject": {"type": "icmp", "expr": "port-unreachable"}}`
	jump        = `{"jump": {"target": "user"}}`
	back        = `{"return": null}`
	limit       = `{"limit": {"rate": 1, "per": "second"}}`
)

// table is what `nft -j list table ip filter` prints of a table whose FORWARD drops; each
// rule is expressions with a plus between, those after "user:" are of another chain.
func table(rules ...string) string {
	name := "FORWARD"
	items := []string{`{"metainfo": {"version": "1.0.6"}}`, `{"table": {"family": "ip", "name": "filter"}}`,
		`{"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}}`}
	for _, r := range rules {
		if r == "user:" {
			name = "user"
			continue
		}
		items = append(items, `{"rule": {"family": "ip", "table": "filter", "chain": "`+name+`", "expr": [`+strings.ReplaceAll(r, "+", ", ")+`]}}`)
	}
	return `{"nftables": [` + strings.Join(items, ", ") + `]}`
}

func TestFirewall(t *testing.T) {
	for name, c := range map[string]struct {
		rules []string
		want  bool
	}{
		"nothing":                      {nil, false},
		"both directions":              {[]string{established + "+" + accept, fromPods + "+" + counter + "+" + accept, toPods + "+" + accept}, true},
		"one direction":                {[]string{fromPods + "+" + accept, established + "+" + accept}, false},
		"a half of the pods":           {[]string{fromPods + "+" + accept, toHalf + "+" + accept}, false},
		"some of what they send":       {[]string{fromPods + "+" + notToPods + "+" + accept, toPods + "+" + accept}, false},
		"everything":                   {[]string{accept}, true},
		"interfaces of pods":           {[]string{inVeth + "+" + accept, outVeth + "+" + accept}, true},
		"other interfaces":             {[]string{inBridge + "+" + accept, outVeth + "+" + accept}, false},
		"too late":                     {[]string{drop, fromPods + "+" + accept, toPods + "+" + accept}, false},
		"refused before":               {[]string{fromPods + "+" + reject, accept}, false},
		"others refused before":        {[]string{inBridge + "+" + reject, accept}, true},
		"now and then":                 {[]string{limit + "+" + accept}, false},
		"in another chain":             {[]string{jump, "user:", fromPods + "+" + accept, toPods + "+" + accept}, true},
		"after another chain returned": {[]string{jump, accept, "user:", back, drop}, true},
		"for ever":                     {[]string{jump, "user:", jump}, false},
		"conditional jump":             {[]string{fromPods + "+" + jump, toPods + "+" + accept, "user:", accept}, true},
	} {
		l, err := parseListing([]byte(table(c.rules...)))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, table(c.rules...))
		}
		if chains := l.dropping(); len(chains) != 1 || chains[0].Name != "FORWARD" {
			t.Errorf("%s: chains %v", name, chains)
		}
		if got := l.firewall().lets("FORWARD", testPods); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestDroppingChains(t *testing.T) {
	l, err := parseListing([]byte(`{"nftables":[{"metainfo":{}},{"chain":{"family":"ip","table":"filter","name":"FORWARD","hook":"forward","policy":"drop"}},
	 {"chain":{"family":"ip6","table":"filter","name":"FORWARD","hook":"forward","policy":"drop"}},
	 {"chain":{"family":"ip","table":"filter","name":"INPUT","hook":"input","policy":"drop"}},
	 {"chain":{"family":"inet","table":"x","name":"f","hook":"forward","policy":"accept"}}]}`))
	if got := l.dropping(); err != nil || len(got) != 1 || got[0].Name != "FORWARD" || got[0].Family != "ip" {
		t.Fatalf("%v %v", got, err)
	}
}

func TestLegacy(t *testing.T) {
	for text, want := range map[string]bool{
		"-P INPUT ACCEPT\n-P FORWARD DROP\n": false,
		"-P FORWARD DROP\n-A FORWARD -s 10.42.0.0/16 -j ACCEPT\n-A FORWARD -d 10.42.0.0/16 -j ACCEPT\n":                                                       true,
		"-P FORWARD DROP\n-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -s 10.42.0.0/16 -j ACCEPT\n-A DOCKER-USER -d 10.0.0.0/8 -j ACCEPT\n":      true,
		"-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j ACCEPT\n-A DOCKER-USER -j RETURN\n":                                                        true,
		"-P FORWARD DROP\n-A FORWARD -i veth+ -j ACCEPT\n-A FORWARD -o veth+ -j ACCEPT\n":                                                                     true,
		"-P FORWARD DROP\n-A FORWARD -s 10.42.0.0/16 -p tcp -m tcp --dport 80 -j ACCEPT\n-A FORWARD -d 10.42.0.0/16 -j ACCEPT\n":                              false,
		"-P FORWARD DROP\n-A FORWARD ! -i docker0 -o docker0 -j ACCEPT\n":                                                                                     false,
		"-P FORWARD DROP\n-A FORWARD -s 10.42.0.0/16 -j REJECT --reject-with icmp-port-unreachable\n-A FORWARD -j ACCEPT\n":                                   false,
		"-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -s 10.42.0.0/16 -m comment --comment \"a b\" -j ACCEPT": false,
	} {
		f, policy := parseLegacy(text)
		if policy != "DROP" {
			t.Errorf("policy %q of\n%s", policy, text)
		}
		if got := f.lets("FORWARD", testPods); got != want {
			t.Errorf("%v, want %v, of\n%s", got, want, text)
		}
	}
}

func FuzzFirewall(f *testing.F) {
	f.Add([]byte(table(fromPods+"+"+accept, toPods+"+"+jump, "user:", jump)))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseListing(data)
		if err != nil {
			return
		}
		for _, c := range l.dropping() {
			if l.firewall().lets(c.Name, testPods) && !strings.Contains(strings.ToLower(string(data)), "accept") {
				t.Fatal("lets pods through without an accept")
			}
		}
	})
}

func FuzzLegacy(f *testing.F) {
	f.Add("-P FORWARD DROP\n-A FORWARD -s 10.42.0.0/16 -j ACCEPT\n-A FORWARD -j FORWARD\n")
	f.Fuzz(func(t *testing.T, text string) {
		fw, _ := parseLegacy(text)
		if fw.lets("FORWARD", testPods) && !strings.Contains(text, "ACCEPT") {
			t.Fatal("lets pods through without an accept")
		}
	})
}
