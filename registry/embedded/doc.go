// Package embedded owns the OCI registry inside the server: distribution v3 as
// a library on a directory, a standard token endpoint in front of it, and
// read-through copies of upstream registries.
//
// It never listens by itself (the front door mounts Handler at /v2/ and
// /registry/token), never decides who a caller is or what a tenant may do (the
// injected Authenticator and Authorizer do), and never acknowledges bytes that
// are not on disk.
//
// Names: "<namespace>/<repo>" is a tenant's, "system/..." is Slipway's own,
// "<host>/..." with a dot in it ("docker.io/library/node") is the local copy of
// an upstream, and "slipway__artifacts/..." holds plans, run artifacts and
// release sets, reachable only from within the process.
//
// Start at New in registry.go, then follow a request: front.go, token.go,
// repository.go.
package embedded
