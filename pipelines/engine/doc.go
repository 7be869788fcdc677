// Package engine owns Tekton: its own taskrun and pipelinerun reconcilers, run
// unmodified in this process. It never decides what runs (package run creates the
// TaskRuns), starts no server of its own and defines no kinds: cluster/api/crds has them.
//
// Start at Start. The static program that Tekton puts into each pod is ./runner.
package engine
