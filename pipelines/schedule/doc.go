// Package schedule owns the controller of Schedules: when one is due, by cron and time
// zone, and making the Run that is due then, exactly once. It never runs anything
// itself, and what was missed while the server was down becomes one run, not many.
//
// Start at Controller; cluster/cron says when.
package schedule
