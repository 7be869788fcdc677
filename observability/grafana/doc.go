// Package grafana owns what Slipway keeps in a Grafana that somebody else runs: folders,
// data sources and dashboards, put right pass by pass by Grafana's HTTP API through
// grafana-api-golang-client. A pass that finds everything as it should be writes nothing.
//
// It touches only what it wrote: a small file remembers the version that Grafana gave to
// each write, so that an edit of a person is told from a change of ours. It never makes a
// dashboard: Desired is handed in. Start at Provisioner.Run; pass.go is one pass.
package grafana
