// Package rules owns what network policies mean: it turns policies, pods and namespaces
// into chains and sets as nftables has them. It is a pure function, and never asks
// anybody, nor touches the machine. Start at Compile; cluster/netpol gives it what there
// is and puts what it says into the kernel.
//
// A pod that a policy selects has a chain for the direction, in which each rule lets
// something through; what is at its end is refused. Pods that the same policies select
// share the chain. Whom the rules let through is in sets, so that a pod that comes or
// goes is an element and no rule.
package rules
