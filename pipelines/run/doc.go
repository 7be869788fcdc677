// Package run owns the Run controllers: one makes a Run for each ref update of a
// Repository, the other compiles it, starts what may start as Tekton TaskRuns, and
// follows them to their end. It never decides the order itself (package plan does),
// runs no container (package engine does) and parses no pipeline file (a Compiler
// does). Everything that it does may be repeated after a crash: names are
// deterministic, and the status says what is about to be made before it is made.
//
// Start at Controller.Reconcile; pushes.go has the other controller, actions.go what
// people ask for, attempt.go what a pod may ask.
package run
