// Package clients holds what other people's clients of Elasticsearch do against the log
// store's API: the Go client, one of another language where it is installed, and recorded
// requests of those that cannot run here. It is apart from elastic because the Go client
// takes long to compile, and it owns nothing but tests.
package clients
