package main

import (
	"os"
	"path/filepath"
	"slices"

	"slipway.dev/pipelines/engine/runner/docker"
	"slipway.dev/pipelines/engine/runner/runjob"
)

// main picks the part by the name it was called by, then by the first argument.
func main() {
	name := filepath.Base(os.Args[0])
	args := os.Args[1:]
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	switch {
	case name == runjob.VerbName:
		os.Exit(runjob.Verb(args, os.Stdout, os.Stderr))
	case slices.Contains(docker.Names, name):
		os.Exit(docker.Main(name, args))
	case first == runjob.Command:
		os.Exit(runjob.Main(os.Stdout))
	case first == runjob.AheadCommand:
		runjob.AheadMain(os.Stdout)
	case name == "nop" || first == "tekton_run_indefinitely":
		os.Exit(nop(args))
	case name == "workingdirinit":
		os.Exit(workingDirInit(args))
	case name == "sidecarlogresults":
		os.Exit(sidecarLogResults(args, os.Stdout))
	default:
		os.Exit(entrypointMain(args))
	}
}
