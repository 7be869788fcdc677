// Package joblog owns the record of what each attempt of a job printed: one file an
// attempt, written while the pod runs and sealed when it has ended, readable live and
// after the pod is gone. It never searches (observability does) and never decides
// that an attempt has ended before its container has.
//
// A line on disk is the kubelet's time stamp and the text, so that the place to
// resume at after a restart is in the file itself. Start at Store; Collector fills it.
package joblog
