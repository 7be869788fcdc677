// Package network owns what the machine's network needs so that pods and
// services work: the node's address, forwarding, one masquerade rule for all
// pods, refusals for pod and service addresses that nobody has, and what jobs may reach. It never
// touches a table, route or interface that is not its own. Start at Setup.
package network
