package rules

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// Element of a set: a pod's address, and in sets of named ports the number that the
// name stands for in that pod.
type Element struct {
	Addr netip.Addr
	Port uint16
}

// Set of elements.
type Set map[Element]struct{}

// Sorted are the elements in order.
func (s Set) Sorted() []Element {
	return slices.SortedFunc(maps.Keys(s), func(a, b Element) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port))
	})
}

// Table is what one node enforces. Names say what is in them: a chain's is a digest of
// its rules, a set's a digest of whom it is about, so that what has another meaning
// always has another name.
type Table struct {
	// Sets of addresses are named p-…, those of addresses and ports n-….
	Sets map[string]Set
	// Chains that end by refusing, for those who come in (in-…) and for what goes out (out-…).
	Chains map[string][]Rule
	// In and Out are the chains of the node's pods that are limited in that direction.
	In, Out map[netip.Addr]string
}

// Limited says whether some policy is about the pod with that address.
func (t Table) Limited(a netip.Addr) bool { return t.In[a] != "" || t.Out[a] != "" }

// Addresses of all pods that are limited, in order.
func (t Table) Addresses() []netip.Addr {
	all := map[netip.Addr]bool{}
	for _, m := range []map[netip.Addr]string{t.In, t.Out} {
		for a := range m {
			all[a] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), netip.Addr.Compare)
}

// SameShape says whether u differs in elements only.
func (t Table) SameShape(u Table) bool {
	return sameKeys(t.Sets, u.Sets) && sameKeys(t.Chains, u.Chains)
}

func sameKeys[V any](a, b map[string]V) bool {
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return len(a) == len(b)
}
