// Package submodule owns the question where the submodules of a commit are: it reads
// .gitmodules, follows relative addresses, and finds the repository of this server that
// each one is, hosted here or mirrored, where its jobs' reader may have it.
//
// It never fetches anything and never runs git. Start at Finder.Find.
package submodule
