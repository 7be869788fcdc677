// Package netpol enforces network policies on one node. It watches policies, pods and
// namespaces, has rules.Compile say what they mean, and keeps one nftables table that
// says so; with no policy there is no table, and nobody is watched but policies.
//
// Packets are judged where they are forwarded, after kube-proxy has rewritten them: pods
// have an interface of their own each (ptp), so that all that is between pods, of one
// node too, passes there, and what the node itself sends to a pod or gets from it does
// not. It never touches another table, and stopping it leaves the table in force.
// Start at Controller.
package netpol
