// Package engine owns Tekton: its own taskrun and pipelinerun reconcilers, run
// unmodified in this process, and the CRDs they need. It never decides what runs
// (package run creates the TaskRuns) and starts no server of its own.
//
// Start at Start. The static program that Tekton puts into each pod is ./runner.
package engine
