// Package runjob owns what happens inside a job's container: it fetches the job from
// the server, unpacks the source and needed artifacts, runs the scripts with secrets
// masked out of their output, and uploads what the job keeps. It decides nothing about
// the run, and knows the server only by the paths below one URL and a token.
//
// Start at Run; the verbs that scripts call are in verb.go.
package runjob
