// Package controlplane owns etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler inside this process: upstream's own code, given flags as on a
// command line and run until it is stopped.
//
// It never restarts a component: when one ends, Failed says which and why, and the
// process should exit so that its supervisor starts a whole one again. It never
// writes objects; that is cluster/addons. A process can hold one control plane only,
// since feature gates, metrics and logging of Kubernetes belong to the process.
//
// Start at Start in controlplane.go; the flags are in apiserver.go and controllers.go.
package controlplane
