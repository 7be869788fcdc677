// Package render owns the way from a directory of a commit to the set of objects
// that it means: plain YAML, Kustomize or, with the package helm below, a chart, with
// image digests, namespace and application label filled in. What it reads was written
// by strangers, so the work is done in a child process without credentials, network or
// much memory, which may be killed at any moment. Files that are encrypted are opened by
// a child that has the keys and renders nothing.
//
// It never talks to Kubernetes or a network, never runs a program that a repository
// names, and never reads outside the tree it was given: what it needs from elsewhere it
// says (needs.go), and the server brings it. Start at runner.go (the server's side), then
// child.go (the child's), then render.go (what the child does).
package render
