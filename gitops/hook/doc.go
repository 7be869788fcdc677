// Package hook owns the way in for webhooks: it verifies a delivery of a forge, reads
// what it says into one form for all of them, stores it, answers, and only then has the
// repository looked at. What came is kept for a while, so that a person can look at it
// and have it acted on again.
//
// It never parses a body before its signature held, never answers 2xx before the
// delivery is on disk, never tells a caller whether a repository exists, and never keeps
// a signature or a token. What it reads of a body says only where to look: commits come
// from the repository itself.
//
// Start at Handler for what is accepted, forge.go for what the forges send, and Spool
// for what an answer means.
package hook
