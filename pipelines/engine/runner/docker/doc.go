// Package docker owns what `docker` and `buildctl` mean inside a job: the commands of
// their command lines that build, name and push images, done by the server's BuildKit
// and registry over the job API. There is no daemon; what needs one is refused with
// what to do instead. It never runs a container and never talks to a registry itself.
//
// Start at Main; the arguments of a build are in flags.go, what the job has built so
// far in store.go.
package docker
