package netpol

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"sigs.k8s.io/knftables"

	"slipway.dev/cluster/netpol/rules"
	"slipway.dev/cluster/node/layout"
)

// Names within the table.
const (
	through = "through"
	refuse  = "refuse"
	self    = "pods-self"
	outMap  = "pods-out"
	inMap   = "pods-in"
)

// table is the one in the kernel.
type table struct {
	nft knftables.Interface
	// have is what is in the kernel; nil: not known, and all of it is written.
	have *rules.Table
}

// openTable needs the program nft, as kube-proxy does.
func openTable() (*table, error) {
	nft, err := knftables.New(knftables.IPv4Family, layout.PolicyTable, knftables.NoObjectCommentEmulation)
	if err != nil {
		return nil, err
	}
	return &table{nft: nft}, nil
}

// apply makes the kernel have t, in one transaction: no packet sees half of it. Where only
// elements of sets differ, only they are written.
func (t *table) apply(ctx context.Context, want rules.Table) error {
	if len(want.In)+len(want.Out) == 0 {
		return t.remove(ctx)
	}
	if t.have != nil && t.have.SameShape(want) {
		tx := t.nft.NewTransaction()
		differences(tx, *t.have, want)
		if tx.NumOperations() == 0 {
			return nil
		}
		if err := t.nft.Run(ctx, tx); err == nil {
			t.have = &want
			return nil
		}
		// Somebody else was at the table.
	}
	t.have = nil
	tx := t.nft.NewTransaction()
	whole(tx, want)
	if err := t.nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	t.have = &want
	return nil
}

// remove takes the table away.
func (t *table) remove(ctx context.Context) error {
	if t.have != nil && len(t.have.In)+len(t.have.Out) == 0 {
		return nil
	}
	tx := t.nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	if err := t.nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	t.have = &rules.Table{}
	return nil
}

// forget makes the next apply write everything.
func (t *table) forget() { t.have = nil }

// whole replaces the table. The kernel changes over from the old one to the new in one
// step; connections are its own, and go on.
func whole(tx *knftables.Transaction, t rules.Table) {
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{})
	tx.Add(&knftables.Set{Name: self, Type: "ipv4_addr . ipv4_addr"})
	for name := range t.Sets {
		tx.Add(&knftables.Set{Name: name, Type: setType(name)})
	}
	tx.Add(&knftables.Chain{Name: refuse})
	// A packet that belongs to no connection any more may not end one by its answer.
	for _, rule := range []string{"ct state invalid drop", "counter", "meta l4proto tcp reject with tcp reset", "reject with icmp admin-prohibited"} {
		tx.Add(&knftables.Rule{Chain: refuse, Rule: rule})
	}
	for name, rs := range t.Chains {
		tx.Add(&knftables.Chain{Name: name})
		for _, r := range rs {
			tx.Add(&knftables.Rule{Chain: name, Rule: knftables.Concat(r.Text(direction(name)), "return"), Comment: knftables.PtrTo(comment(r.Policy))})
		}
		tx.Add(&knftables.Rule{Chain: name, Rule: "goto " + refuse})
	}
	for _, name := range []string{outMap, inMap} {
		tx.Add(&knftables.Map{Name: name, Type: "ipv4_addr : verdict"})
	}
	tx.Add(&knftables.Chain{Name: through, Type: knftables.PtrTo(knftables.FilterType), Hook: knftables.PtrTo(knftables.ForwardHook),
		Priority: knftables.PtrTo(knftables.FilterPriority + "-5")})
	for _, rule := range []string{
		// A pod sends as itself only, or it would be let through as another.
		`iifname "veth*" fib saddr . iif oif missing drop`,
		"ct state established,related accept",
		// By way of a service.
		"ip saddr . ip daddr @" + self + " accept",
		"ip saddr vmap @" + outMap,
		"ip daddr vmap @" + inMap,
	} {
		tx.Add(&knftables.Rule{Chain: through, Rule: rule})
	}
	differences(tx, rules.Table{}, t)
}

// differences are the elements that have to go and to come.
func differences(tx *knftables.Transaction, have, want rules.Table) {
	for name, s := range want.Sets {
		for _, e := range have.Sets[name].Sorted() {
			if _, stays := s[e]; !stays {
				tx.Delete(&knftables.Element{Set: name, Key: key(name, e)})
			}
		}
		for _, e := range s.Sorted() {
			if _, there := have.Sets[name][e]; !there {
				tx.Add(&knftables.Element{Set: name, Key: key(name, e)})
			}
		}
	}
	chains(tx, outMap, have.Out, want.Out)
	chains(tx, inMap, have.In, want.In)
	had, has := have.Addresses(), want.Addresses()
	for _, a := range had {
		if !contains(has, a) {
			tx.Delete(&knftables.Element{Set: self, Key: []string{a.String(), a.String()}})
		}
	}
	for _, a := range has {
		if !contains(had, a) {
			tx.Add(&knftables.Element{Set: self, Key: []string{a.String(), a.String()}})
		}
	}
}

func contains(sorted []netip.Addr, a netip.Addr) bool {
	_, found := slices.BinarySearchFunc(sorted, a, netip.Addr.Compare)
	return found
}

// chains are the differences of a map.
func chains(tx *knftables.Transaction, name string, have, want map[netip.Addr]string) {
	for a, chain := range have {
		if want[a] != chain {
			tx.Delete(&knftables.Element{Map: name, Key: []string{a.String()}})
		}
	}
	for a, chain := range want {
		if have[a] != chain {
			tx.Add(&knftables.Element{Map: name, Key: []string{a.String()}, Value: []string{"jump " + chain}})
		}
	}
}

func named(set string) bool { return set[0] == 'n' }

func setType(set string) string {
	if named(set) {
		return "ipv4_addr . inet_service"
	}
	return "ipv4_addr"
}

func key(set string, e rules.Element) []string {
	if named(set) {
		return []string{e.Addr.String(), strconv.Itoa(int(e.Port))}
	}
	return []string{e.Addr.String()}
}

func direction(chain string) rules.Direction {
	if chain[0] == 'o' {
		return rules.Out
	}
	return rules.In
}

// comment of a rule: the policy that it comes from, as far as nftables has room.
func comment(policy string) string { return policy[:min(len(policy), 120)] }
