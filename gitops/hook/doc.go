// Package hook owns the way in for webhooks: it verifies a delivery, stores it,
// answers, and only then has the repository looked at.
//
// It never parses a body before its signature held, never answers 2xx before the
// delivery is on disk, and never tells a caller whether a repository exists.
// Start at Handler for what is accepted and Spool for what an answer means.
package hook
