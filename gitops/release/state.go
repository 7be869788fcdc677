package release

import "slipway.dev/cluster/api/v1alpha1"

// Same says whether two values are one: the commit, the digests and what part of them was
// asked for, whoever asked.
func Same(a, b v1alpha1.Desired) bool { return same(a, b) }

// Settled says whether release n is what is applied, completely, and became healthy.
func Settled(app *v1alpha1.Application, n int64) bool { return n > 0 && settled(app, n) }
