package rules

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
)

// Range of ports, both ends in it.
type Range struct{ First, Last uint16 }

func (r Range) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return strconv.Itoa(int(r.First)) + "-" + strconv.Itoa(int(r.Last))
}

// merge puts ranges in order and joins those that touch: nftables takes no overlap.
func merge(in []Range) (out []Range) {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	for _, r := range in {
		if n := len(out); n > 0 && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// outermost puts prefixes in order and drops those within others, and what is left has
// no overlap.
func outermost(in []netip.Prefix) (out []netip.Prefix) {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	for _, p := range in {
		if n := len(out); n == 0 || !out[n-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}

// anywhere says whether the ranges are all of IPv4, for which nftables has no word.
func anywhere(p []netip.Prefix) bool {
	return slices.ContainsFunc(p, func(p netip.Prefix) bool { return p.Bits() == 0 })
}
