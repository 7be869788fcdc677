// Command runner is the static program in every job pod. Tekton's own images are all
// this one: it is Tekton's entrypoint (built on tektoncd/pipeline/pkg/entrypoint, with
// a waiter that does not poll once a second), its nop, workingdirinit and
// sidecarlogresults; as run-job it is the one step of every job, and inside a script
// it is `slipway build` and `slipway deploy`. It never imports a Kubernetes client.
//
// Start at main; run-job is ./runjob.
package main
