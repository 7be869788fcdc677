// Package render owns the way from a directory of a commit to the set of objects
// that it means: plain YAML or Kustomize, with image digests, namespace and
// application label filled in. What it reads was written by strangers, so the
// work is done in a child process without credentials, network or much memory,
// which may be killed at any moment.
//
// It never talks to Kubernetes, never runs a program that a repository names, and
// never reads outside the tree it was given. Start at runner.go (the server's
// side), then child.go (the child's), then render.go (what the child does).
package render
