package rules_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"slipway.dev/cluster/netpol/reading"
	"slipway.dev/cluster/netpol/rules"
)

// TestAsTheNaiveReading: whatever the policies are, tables let through what a reading
// word by word does.
func TestAsTheNaiveReading(t *testing.T) {
	for seed := range uint64(400) {
		compare(t, seed)
	}
}

func FuzzAsTheNaiveReading(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { compare(t, seed) })
}

func compare(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	var pods []netip.Addr
	for i := range 1 + r.IntN(12) {
		pods = append(pods, netip.AddrFrom4([4]byte{10, 42, byte(r.IntN(2)), byte(2 + i)}))
	}
	in := reading.Cluster(r, pods, func() bool { return r.IntN(5) > 0 })
	table, _ := rules.Compile(in)
	addrs := append(pods, netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("192.0.2.200"))
	for range 300 {
		p := reading.Packet{From: reading.Pick(r, addrs), To: reading.Pick(r, addrs), Protocol: reading.Pick(r, []string{"tcp", "udp", "sctp", "icmp"}), Port: reading.Pick(r, reading.Ports)}
		if p.Protocol == "icmp" {
			p.Port = 0
		}
		if got, want := lets(table, p), reading.Lets(in, p); got != want {
			t.Fatalf("seed %d: %v passes %t, and by the words %t\npolicies: %+v\ntable: %+v", seed, p, got, want, in.Policies, table)
		}
	}
}
