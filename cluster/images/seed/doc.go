// Package seed owns the base images that the build makes so that FROM lines
// work with no network: toolbox (as busybox), Debian, and Go on Debian.
//
// They are images in one OCI layout, each with its full name as annotation; the
// registry reads the layout. Seed never pulls and never talks to a registry.
// Start at Make, which the command mkseed calls, and at Names, which says what
// a layout holds.
package seed
