// Package apply owns the way from a rendered set to the cluster: policy and
// dry-run of everything first, then server-side apply as the tenant's deployer,
// then prune of what left, and the health of what is there.
//
// It never applies with the server's own identity, never decides which set to
// apply, and keeps no state. Start at Applier in apply.go; check.go holds what is
// refused before anything changes.
package apply
