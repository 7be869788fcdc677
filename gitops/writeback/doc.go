// Package writeback owns what the server writes to Git for an application: the digests
// of its images once a release of them is healthy, and a revert where a release is
// pinned. A manifest is changed in its bytes, at the place of one value, so that
// comments and formatting stay as people left them.
//
// It never decides what is released, writes nothing that it cannot read back as meant,
// and leaves locks, pushes and their rules to gitops/git. Start at Controller in
// controller.go; images.go says where in a directory an image is written.
package writeback
