// Package images owns the system images: pause, coredns, runner and toolbox,
// assembled offline from the payload's binaries, and their import into a node's
// containerd, where they are pinned.
//
// It never pulls anything, and every pod of a node may use what is there. An image's tag
// is derived from what it is made of, so a tag never changes its meaning and equal input
// gives equal digests.
// Start at References for names and at Import for a node.
package images
