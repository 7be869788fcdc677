// Package environments owns what is deployed where: it makes an Environment when the
// first job that names it starts, records each deployment, and stops environments when
// a person, their time or the end of their branch asks for it.
//
// It never starts a pod and never decides whether a job may run: to stop or to deploy
// again it asks the Run for an action, as a person would. All it writes follows from the
// status of Runs and can be worked out again after a crash.
//
// Start at Recorder, which goes from Runs to Environments; Keeper does the stopping.
package environments
