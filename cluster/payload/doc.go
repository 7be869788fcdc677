// Package payload owns the archive of daemons and image binaries that is
// appended to the slipway binary: a zip with zstd entries, so that any zip tool
// can list it. It extracts the daemons once into <data-dir>/bin/<hash>/ and
// reads single entries for the images.
//
// It never starts anything and never imports Kubernetes. Where the program was
// built without an archive, SLIPWAY_PAYLOAD names a directory that holds the
// same files. Start at Default, then Extract; pack/ is the command that makes
// the archive and Write is its library.
package payload
