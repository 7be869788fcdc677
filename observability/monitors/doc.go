// Package monitors owns the objects of the Prometheus Operator as people already have
// them: ServiceMonitor, PodMonitor, Probe and PrometheusRule become scrape configurations
// and groups of rules of the embedded Prometheus. There is no operator and no second
// Prometheus.
//
// Objects are confined to their namespace: they select nothing elsewhere, their targets
// and what these say carry its name, and their rules read its series alone. A namespace
// with the label slipway.dev/metrics=cluster is not confined; only those who may label
// namespaces make one so.
//
// Start at Watch; service.go, pod.go and probe.go translate, confine.go is what a confined
// object may not say.
package monitors
