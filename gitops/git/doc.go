// Package git owns the Git data of Slipway: repositories hosted over smart HTTP,
// repositories elsewhere that are mirrored, and reading both.
//
// Hosting is served by git's own upload-pack and receive-pack with fixed
// arguments; everything that handles a user's URL, revision or path is go-git's,
// and where git does the work for it, it gets object names on its standard input.
// The package never puts a user's string on a command line, never runs a hook but
// its own, a filter or a submodule, and never starts a pipeline: it records ref
// updates in Repository.status, with a word where one starts no run, and others act
// on that.
//
// Start at Store (where a repository lives and how it is read), then Host (the
// HTTP handler and the way of one push; policy.go has the rules it goes by), then
// Reconciler (mirrors and deletion) and pool.go (what mirrors share).
package git
