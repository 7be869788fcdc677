// Package node owns the daemons that make a machine a Kubernetes node:
// containerd, kubelet, kube-proxy and buildkitd, as supervised children with
// configuration of our own. It never talks to the Kubernetes API and never
// touches a path outside the data directory, but for the cgroup. Start at Start.
package node
