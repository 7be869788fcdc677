package rules

import (
	"net/netip"
	"slices"
	"testing"
)

func TestMerge(t *testing.T) {
	for _, c := range []struct{ in, want []Range }{
		{nil, nil},
		{[]Range{{80, 80}}, []Range{{80, 80}}},
		{[]Range{{90, 99}, {80, 80}, {95, 100}, {101, 101}, {103, 103}}, []Range{{80, 80}, {90, 101}, {103, 103}}},
		{[]Range{{1, 65535}, {65535, 65535}, {7, 8}}, []Range{{1, 65535}}},
	} {
		if got := merge(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
	}
}

func TestOutermost(t *testing.T) {
	parse := func(words ...string) (out []netip.Prefix) {
		for _, w := range words {
			out = append(out, netip.MustParsePrefix(w))
		}
		return out
	}
	got := outermost(parse("10.1.0.0/16", "192.0.2.0/24", "10.0.0.0/8", "10.2.3.4/32", "10.0.0.0/9", "11.0.0.0/8", "192.0.2.0/24"))
	if want := parse("10.0.0.0/8", "11.0.0.0/8", "192.0.2.0/24"); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
