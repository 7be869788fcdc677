// Package alerts owns the embedded Alertmanager: firing alerts are grouped, silenced and
// inhibited, and go to the receivers of Alertmanager's own configuration file. It lives
// in the observe child; what fires is decided by the rules in observability/metrics. It
// never authorises.
//
// Start at Open. Alertmanager's program wires the same parts, but listens on a TCP port
// that asks nobody who they are.
package alerts
