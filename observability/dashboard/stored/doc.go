// Package stored owns the dashboards that users keep in their repositories, and in ConfigMaps
// of the cluster, as they were last good: one file for each of these, replaced as a whole
// and synced, so that what was said to be stored is there after a crash.
//
// It knows nothing of Git and asks no cluster: Put is given what a commit has. What is stored is derived and
// may be deleted, but for the last good form of a dashboard whose file is bad now. Start at
// Store.Put.
package stored
