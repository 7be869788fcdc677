// Package archive owns the runs that are over and no longer in etcd: one file,
// ordered by namespace and time, from which a run is read back as it was. A Put that
// returned is on disk. What a run left beside its object (plan, artifacts, logs)
// stays where it is.
//
// It never decides when a run goes into it or comes back (package run does) and never
// talks to Kubernetes. Start at Store.
package archive
