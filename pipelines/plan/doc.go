// Package plan owns the one form that every pipeline front end compiles to: jobs,
// the edges between them, the conditions on those edges and the gates. It never
// reads a pipeline file, never talks to a server and holds no state; what it
// decides (which job may start now, how the run ended) is a pure function of the
// plan and of the phases of its jobs.
//
// Start at Plan, then Plan.Next, which the Run controller calls after every change.
package plan
