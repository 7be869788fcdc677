package alerts

// defaultConfig shows alerts and sends them nowhere. What is critical inhibits the
// warnings of the same thing, and a node that is away those of what runs on it: an alert of a
// namespace's own rules (slipway_source) inhibits nobody else's.
const defaultConfig = `
route:
  receiver: console
  group_by: [namespace, application, alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
receivers:
- name: console
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity="warning"]
  equal: [namespace, application, alertname, slipway_source]
- source_matchers: [alertname="NodeNotReady", slipway_source=""]
  target_matchers: [alertname=~"Target.*|Pod.*|Deployment.*"]
  equal: [node]
`
