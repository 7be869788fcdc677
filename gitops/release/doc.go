// Package release owns what happens between an Application's desired value and a
// healthy release: it numbers and records Releases, has them rendered and applied,
// watches them to healthy, gathers evidence when they are not, and puts the last
// healthy one back. A pin holds one release whatever is desired.
//
// Every step may be repeated after a crash: names are deterministic, each decision
// is written before what follows from it, and a healthy application is left alone.
// It never applies with the server's own identity and never logs a secret. Start
// at Reconciler.Reconcile in reconciler.go; deploy.go and verbs.go are what others
// call, push.go follows branches.
package release
