// Package supervise owns the life of child processes: it starts them, adopts
// or replaces the ones a killed server left behind, restarts them with
// back-off, keeps their logs, and stops them in order. It never knows what a
// child is for, and it never touches a process that it cannot identify by pid,
// start time and boot. Start at Supervisor; record.go says how a process is
// recognised again.
package supervise
