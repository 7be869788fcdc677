// Package jobapi owns what a job's pod may ask of the server: its description, the
// source, artifacts, an image build, a deployment. Each request carries a token that
// is good for one attempt of one job; nothing else can be reached with it. It never
// decides which job runs (package run does) and holds no Kubernetes client.
//
// Start at Server.ServeHTTP; token.go has the tokens, store.go the artifacts on disk,
// and wire the JSON.
package jobapi
